import { describe, expect, it } from '@jest/globals';
import { evaluateCall } from './call-evaluation.ts';

const DATA = 'arn:aws:s3:::acme-data';

const allow = [
  { actions: ['s3:GetObject'], resources: [`${DATA}/reports/*`] },
  { actions: ['s3:Put*'], resources: [`${DATA}/out/?`] },
  { actions: ['s3:ListBucket'], resources: [DATA] },
  { actions: ['dynamodb:*'], resources: ['arn:aws:dynamodb:eu-central-1:111122223333:table/t'] },
];

const permission = (action: string, resource?: string) =>
  resource === undefined ? { action } : { action, resource };

describe('evaluateCall', () => {
  it.each([
    ['s3:GetObject', `${DATA}/reports/2026/may.csv`],
    ['s3:GetObject', `${DATA}/reports/*`],
    ['s3:PutObject', `${DATA}/out/a`],
    ['s3:PutObjectTagging', `${DATA}/out/a`],
    ['s3:ListBucket', DATA],
    ['sts:GetCallerIdentity', undefined],
  ])('allows %s on %s', (action, resource) => {
    expect(evaluateCall([permission(action, resource)], allow)).toEqual({
      isAllowed: true,
      isResolved: true,
    });
  });

  it.each([
    ['s3:DeleteObject', `${DATA}/reports/a`, 'action_outside'],
    ['s3:getObject', `${DATA}/reports/a`, 'action_outside'],
    ['s3:GetObject', `${DATA}/secrets/a`, 'resource_outside'],
    ['s3:GetObject', `${DATA}/report`, 'resource_outside'],
    ['s3:GetObject', '*', 'resource_outside'],
    ['s3:PutObject', `${DATA}/out/ab`, 'resource_outside'],
    // The action is in one statement and the resource in another.
    ['s3:PutObject', `${DATA}/reports/a`, 'resource_outside'],
    ['s3:ListBucket', `${DATA}/reports/a`, 'resource_outside'],
    ['s3:ListAllMyBuckets', '*', 'action_outside'],
    ['sts:AssumeRole', undefined, 'action_outside'],
  ])('refuses %s on %s: %s', (action, resource, code) => {
    const refused = permission(action, resource);
    expect(evaluateCall([refused], allow)).toEqual({ isAllowed: false, code, permission: refused });
  });

  it('refuses a call as soon as one of its permissions is outside, and names that one', () => {
    const outside = permission('s3:GetObject', `${DATA}/secrets/a`);
    const call = [permission('s3:PutObject', `${DATA}/out/a`), outside];
    expect(evaluateCall(call, allow)).toMatchObject({ isAllowed: false, permission: outside });
  });

  it('leaves a resource that the request does not say to the session policy, and reports that', () => {
    const call = [permission('dynamodb:PutItem'), permission('s3:ListBucket', DATA)];
    expect(evaluateCall(call, allow)).toEqual({ isAllowed: true, isResolved: false });
    expect(evaluateCall([permission('sqs:SendMessage')], allow)).toMatchObject({
      isAllowed: false,
      code: 'action_outside',
    });
  });

  it('compares a pattern that holds the resource, and leaves the rest to the session policy', () => {
    const secrets = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret';
    const within = (name: string) => ({
      action: 'secretsmanager:GetSecretValue',
      within: `${secrets}:${name}-??????`,
    });
    const declare = (resource: string) => [
      { actions: ['secretsmanager:*'], resources: [`${secrets}:${resource}`] },
    ];
    for (const resource of ['prod/db-*', 'prod/db-??????', 'prod/*', 'prod/db-AbCdEf']) {
      expect(evaluateCall([within('prod/db')], declare(resource))).toEqual({
        isAllowed: true,
        isResolved: false,
      });
    }
    for (const resource of ['prod/dbs-*', 'prod/db', 'prod/db-AbCdEfG', 'test/*']) {
      expect(evaluateCall([within('prod/db')], declare(resource))).toMatchObject({
        code: 'resource_outside',
      });
    }
  });

  it('allows nothing by an empty list, whether of permissions or of statements', () => {
    expect(() => evaluateCall([], allow)).toThrow('expected the permissions of a call');
    expect(evaluateCall([permission('s3:ListBucket', DATA)], [])).toMatchObject({
      isAllowed: false,
    });
  });
});
