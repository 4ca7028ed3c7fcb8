import { describe, expect, test } from '@jest/globals';
import { isAllowed } from './iam-evaluation.ts';
import { readPolicy, type PolicyKind } from './policy-document.ts';

const allowStatement = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::a/*' };
const buildTestPolicy = (statement: object | readonly object[], kind: PolicyKind = 'role') =>
  readPolicy(JSON.stringify({ Version: '2012-10-17', Statement: statement }), kind);

const isRequestAllowed = (statement: object, context: Record<string, string> = {}): boolean =>
  isAllowed([buildTestPolicy(statement)], {
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::a/b',
    context: new Map(Object.entries(context)),
  });

const isAllowedUnder = (operator: string, values: unknown, key = 'aws:SourceIp') => ({
  ...allowStatement,
  Condition: { [operator]: { [key]: values } },
});

describe('a statement applies', () => {
  test.each([
    ['its action in any case', { ...allowStatement, Action: 's3:getobject' }, true],
    ['an action pattern', { ...allowStatement, Action: 's3:Get*' }, true],
    ['another action', { ...allowStatement, Action: 's3:PutObject' }, false],
    [
      'one of several resources',
      { ...allowStatement, Resource: ['arn:aws:s3:::x', 'arn:aws:s3:::a/?'] },
      true,
    ],
    ['a resource in another case', { ...allowStatement, Resource: 'arn:aws:s3:::A/*' }, false],
  ])('by %s', (_, statement, expected) => {
    expect(isRequestAllowed(statement)).toBe(expected);
  });
});

describe('a condition holds', () => {
  test.each([
    ['an address in a block', isAllowedUnder('IpAddress', ['10.0.0.0/8']), '10.1.2.3', true],
    ['an address outside it', isAllowedUnder('IpAddress', ['10.0.0.0/8']), '192.0.2.1', false],
    ['not in a block', isAllowedUnder('NotIpAddress', '10.0.0.0/8'), '192.0.2.1', true],
    [
      'an IPv6 address in a block',
      isAllowedUnder('IpAddress', '2001:db8::/32'),
      '2001:db8::1',
      true,
    ],
    ['equality', isAllowedUnder('StringEquals', ['x', 'y']), 'y', true],
    ['inequality with each of several', isAllowedUnder('StringNotEquals', ['x', 'y']), 'y', false],
    [
      'a later date',
      isAllowedUnder('DateGreaterThanEquals', '2026-01-01T00:00:00Z'),
      '2026-01-01T00:00:00.000Z',
      true,
    ],
    [
      'an earlier date',
      isAllowedUnder('DateGreaterThanEquals', '2026-01-01T00:00:00Z'),
      '2025-12-31T23:59:59.999Z',
      false,
    ],
    ['a number', isAllowedUnder('NumericLessThan', 5), '4', true],
  ])('by %s', (_, statement, value, expected) => {
    expect(isRequestAllowed(statement, { 'aws:sourceip': value })).toBe(expected);
  });

  test('when its key is absent, only if it is a negation', () => {
    expect(isRequestAllowed(isAllowedUnder('IpAddress', '10.0.0.0/8'))).toBe(false);
    expect(isRequestAllowed(isAllowedUnder('NotIpAddress', '10.0.0.0/8'))).toBe(true);
  });

  test('only when every key of every operator holds', () => {
    const both = { ...allowStatement, Condition: { StringEquals: { a: 'x', b: 'y' } } };
    expect(isRequestAllowed(both, { a: 'x', b: 'y' })).toBe(true);
    expect(isRequestAllowed(both, { a: 'x', b: 'z' })).toBe(false);
  });
});

describe('policies meet', () => {
  const request = { action: 's3:GetObject', resource: 'arn:aws:s3:::a/b', context: new Map() };
  const deny = { ...allowStatement, Effect: 'Deny' };

  test.each([
    ['one Allow is enough for one policy', [buildTestPolicy(allowStatement)], true],
    [
      'each policy must allow',
      [
        buildTestPolicy(allowStatement),
        buildTestPolicy({ ...allowStatement, Action: 's3:PutObject' }),
      ],
      false,
    ],
    [
      'a Deny in one beats the Allow in all',
      [buildTestPolicy([allowStatement, deny]), buildTestPolicy(allowStatement)],
      false,
    ],
    ['a Deny alone allows nothing', [buildTestPolicy(deny)], false],
  ])('%s', (_, policies, expected) => {
    expect(isAllowed(policies, request)).toBe(expected);
  });
});

describe('a policy is refused', () => {
  test.each([
    [
      'an operator that MinIO refuses',
      isAllowedUnder('BoolIfExists', 'false', 'aws:ViaAWSService'),
    ],
    ['an operator with a qualifier', isAllowedUnder('ForAnyValue:StringEquals', 'x')],
    ['a date that is none', isAllowedUnder('DateGreaterThanEquals', 'tomorrow')],
    ['a block that is none', isAllowedUnder('IpAddress', '10.0.0.0/33')],
    ['NotAction', { Effect: 'Allow', NotAction: 's3:*', Resource: '*' }],
    ['a policy variable', { ...allowStatement, Resource: 'arn:aws:s3:::a/${aws:username}/*' }],
    ['a resource that is no ARN', { ...allowStatement, Resource: 'acme-data' }],
    ['no resource', { Effect: 'Allow', Action: 's3:GetObject' }],
    ['an effect in another case', { ...allowStatement, Effect: 'allow' }],
    ['no statement', []],
  ])('for %s', (_, statement) => {
    expect(() => buildTestPolicy(statement)).toThrow(
      expect.objectContaining({ code: 'MalformedPolicyDocument', status: 400 }),
    );
  });

  test.each([['*'], ['s3:NoSuchAction'], ['ec2:RunInstances']])(
    'as a session policy for the action %s',
    (action) => {
      expect(() => buildTestPolicy({ ...allowStatement, Action: action }, 'session')).toThrow(
        /an action of/,
      );
    },
  );
});
