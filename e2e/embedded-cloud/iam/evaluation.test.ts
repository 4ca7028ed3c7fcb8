import { describe, expect, test } from '@jest/globals';
import { isAllowed } from './evaluation.ts';
import { readPolicy, type PolicyKind } from './policy-document.ts';

const allow = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::a/*' };
const policy = (statement: object | readonly object[], kind: PolicyKind = 'role') =>
  readPolicy(JSON.stringify({ Version: '2012-10-17', Statement: statement }), kind);

const allows = (statement: object, context: Record<string, string> = {}): boolean =>
  isAllowed([policy(statement)], {
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::a/b',
    context: new Map(Object.entries(context)),
  });

const under = (operator: string, values: unknown, key = 'aws:SourceIp') => ({
  ...allow,
  Condition: { [operator]: { [key]: values } },
});

describe('a statement applies', () => {
  test.each([
    ['its action in any case', { ...allow, Action: 's3:getobject' }, true],
    ['an action pattern', { ...allow, Action: 's3:Get*' }, true],
    ['another action', { ...allow, Action: 's3:PutObject' }, false],
    [
      'one of several resources',
      { ...allow, Resource: ['arn:aws:s3:::x', 'arn:aws:s3:::a/?'] },
      true,
    ],
    ['a resource in another case', { ...allow, Resource: 'arn:aws:s3:::A/*' }, false],
  ])('by %s', (_, statement, expected) => {
    expect(allows(statement)).toBe(expected);
  });
});

describe('a condition holds', () => {
  test.each([
    ['an address in a block', under('IpAddress', ['10.0.0.0/8']), '10.1.2.3', true],
    ['an address outside it', under('IpAddress', ['10.0.0.0/8']), '192.0.2.1', false],
    ['not in a block', under('NotIpAddress', '10.0.0.0/8'), '192.0.2.1', true],
    ['an IPv6 address in a block', under('IpAddress', '2001:db8::/32'), '2001:db8::1', true],
    ['equality', under('StringEquals', ['x', 'y']), 'y', true],
    ['inequality with each of several', under('StringNotEquals', ['x', 'y']), 'y', false],
    [
      'a later date',
      under('DateGreaterThanEquals', '2026-01-01T00:00:00Z'),
      '2026-01-01T00:00:00.000Z',
      true,
    ],
    [
      'an earlier date',
      under('DateGreaterThanEquals', '2026-01-01T00:00:00Z'),
      '2025-12-31T23:59:59.999Z',
      false,
    ],
    ['a number', under('NumericLessThan', 5), '4', true],
  ])('by %s', (_, statement, value, expected) => {
    expect(allows(statement, { 'aws:sourceip': value })).toBe(expected);
  });

  test('when its key is absent, only if it is a negation', () => {
    expect(allows(under('IpAddress', '10.0.0.0/8'))).toBe(false);
    expect(allows(under('NotIpAddress', '10.0.0.0/8'))).toBe(true);
  });

  test('only when every key of every operator holds', () => {
    const both = { ...allow, Condition: { StringEquals: { a: 'x', b: 'y' } } };
    expect(allows(both, { a: 'x', b: 'y' })).toBe(true);
    expect(allows(both, { a: 'x', b: 'z' })).toBe(false);
  });
});

describe('policies meet', () => {
  const request = { action: 's3:GetObject', resource: 'arn:aws:s3:::a/b', context: new Map() };
  const deny = { ...allow, Effect: 'Deny' };

  test.each([
    ['one Allow is enough for one policy', [policy(allow)], true],
    [
      'each policy must allow',
      [policy(allow), policy({ ...allow, Action: 's3:PutObject' })],
      false,
    ],
    ['a Deny in one beats the Allow in all', [policy([allow, deny]), policy(allow)], false],
    ['a Deny alone allows nothing', [policy(deny)], false],
  ])('%s', (_, policies, expected) => {
    expect(isAllowed(policies, request)).toBe(expected);
  });
});

describe('a policy is refused', () => {
  test.each([
    ['an operator that MinIO refuses', under('BoolIfExists', 'false', 'aws:ViaAWSService')],
    ['an operator with a qualifier', under('ForAnyValue:StringEquals', 'x')],
    ['a date that is none', under('DateGreaterThanEquals', 'tomorrow')],
    ['a block that is none', under('IpAddress', '10.0.0.0/33')],
    ['NotAction', { Effect: 'Allow', NotAction: 's3:*', Resource: '*' }],
    ['a policy variable', { ...allow, Resource: 'arn:aws:s3:::a/${aws:username}/*' }],
    ['a resource that is no ARN', { ...allow, Resource: 'acme-data' }],
    ['no resource', { Effect: 'Allow', Action: 's3:GetObject' }],
    ['an effect in another case', { ...allow, Effect: 'allow' }],
    ['no statement', []],
  ])('for %s', (_, statement) => {
    expect(() => policy(statement)).toThrow(
      expect.objectContaining({ code: 'MalformedPolicyDocument', status: 400 }),
    );
  });

  test.each([['*'], ['s3:NoSuchAction'], ['ec2:RunInstances']])(
    'as a session policy for the action %s',
    (action) => {
      expect(() => policy({ ...allow, Action: action }, 'session')).toThrow(/an action of/);
    },
  );
});
