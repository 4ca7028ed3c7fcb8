import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { TaskStatement } from '../contract/task.ts';
import type { RecognizableRequest } from '../operations/operation.ts';
import { createRecognizer } from '../operations/recognize.ts';
import type { OperationTable } from '../operations/table.ts';
import {
  authorizeCall,
  readForm,
  recognizeCall,
  type SigningService,
} from './call-authorization.ts';

const readService = (signingName: string): SigningService => {
  const file = new URL(`../operations/data/${signingName}.json`, import.meta.url);
  const table = JSON.parse(readFileSync(file, 'utf8')) as OperationTable;
  return { table, recognize: createRecognizer(table) };
};

const TABLE = 'arn:aws:dynamodb:eu-central-1:111122223333:table/orders';
const SECRET = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:db-AbCdEf';

/** A call of protocol JSON, authorized by statements. */
const authorize = (
  [signingName = '', target = '']: readonly string[],
  body: object,
  allow: readonly TaskStatement[],
) => {
  const service = readService(signingName);
  const request: RecognizableRequest = {
    method: 'POST',
    target: { path: '/', decodedPath: '/', parameters: new Map() },
    headers: new Map([
      ['x-amz-target', target],
      ['content-type', 'application/x-amz-json-1.1'],
    ]),
  };
  const operation = recognizeCall(service, request);
  if (!operation.ok) return operation.refusal;
  const scope = { partition: 'aws', region: 'eu-central-1', account: '111122223333' };
  const call = { operation: operation.value, request, body: Buffer.from(JSON.stringify(body)) };
  const result = authorizeCall(service, { ...call, ...scope }, { name: 'report', allow });
  return result.refusal ?? { isResolved: result.isResolved };
};

const GET_ITEM = ['dynamodb', 'DynamoDB_20120810.GetItem'];
const TRANSACT = ['dynamodb', 'DynamoDB_20120810.TransactWriteItems'];
const GET_SECRET = ['secretsmanager', 'secretsmanager.GetSecretValue'];
const GET_TOKEN = ['ecr', 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken'];

describe('authorizeCall', () => {
  const allow = [{ actions: ['dynamodb:GetItem', 'dynamodb:PutItem'], resources: [TABLE] }];

  it('allows a call on a resource of the task, and reports that it is resolved', () => {
    expect(authorize(GET_ITEM, { TableName: 'orders' }, allow)).toEqual({ isResolved: true });
  });

  it('refuses a call on another resource, naming both', () => {
    expect(authorize(GET_ITEM, { TableName: 'secrets' }, allow)).toEqual({
      code: 'resource_outside',
      message:
        'dynamodb:GetItem on arn:aws:dynamodb:eu-central-1:111122223333:table/secrets is outside task report',
    });
  });

  it('names a resource in one line without invisible characters, which XML cannot have', () => {
    const service = readService('s3');
    const target = { path: '/data/a', decodedPath: '/data/a\n\u0001', parameters: new Map() };
    const request = { method: 'GET', target, headers: new Map<string, string>() };
    const operation = recognizeCall(service, request);
    if (!operation.ok) throw new Error(operation.refusal.message);
    const scope = { partition: 'aws', region: 'eu-central-1', account: '111122223333' };
    const task = {
      name: 'report',
      allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::other/*'] }],
    };
    const { refusal } = authorizeCall(
      service,
      { operation: operation.value, request, ...scope },
      task,
    );
    expect(refusal?.message).toBe(
      's3:GetObject on arn:aws:s3:::data/a\\u{a}\\u{1} is outside task report',
    );
  });

  it('lists what a refused call needs, the refused permission last', () => {
    const service = readService('dynamodb');
    const operation = {
      protocol: 'json',
      service: 'dynamodb',
      name: 'TransactWriteItems',
    } as const;
    const put = (TableName: string) => ({ Put: { TableName } });
    const body = Buffer.from(
      JSON.stringify({ TransactItems: [put('orders'), put('secrets'), put('orders')] }),
    );
    const authorization = authorizeCall(
      service,
      {
        operation: { ...operation, labels: {} },
        request: {
          method: 'POST',
          target: { path: '/', decodedPath: '/', parameters: new Map() },
          headers: new Map([['content-type', 'application/x-amz-json-1.0']]),
        },
        body,
        ...{ partition: 'aws', region: 'eu-central-1', account: '111122223333' },
      },
      { name: 'report', allow },
    );
    expect(authorization.refusal?.code).toBe('resource_outside');
    expect(authorization.permissions.length).toBeGreaterThan(1);
    expect(authorization.permissions.at(-1)).toEqual({
      action: 'dynamodb:PutItem',
      resource: TABLE.replace('orders', 'secrets'),
    });
  });

  it('refuses a transaction as a whole if one of its items is outside', () => {
    const put = (TableName: string) => ({ Put: { TableName } });
    const items = (...names: string[]) => ({ TransactItems: names.map(put) });
    expect(authorize(TRANSACT, items('orders', 'orders'), allow)).toEqual({ isResolved: true });
    expect(authorize(TRANSACT, items('orders', 'secrets'), allow)).toMatchObject({
      code: 'resource_outside',
    });
  });

  it('refuses a request that can be read in two ways', () => {
    expect(authorize(GET_ITEM, { TableName: 'orders', tableName: 'secrets' }, allow)).toMatchObject(
      {
        code: 'request_malformed',
      },
    );
  });

  it('passes a secret by name as unresolved, within the patterns of the task', () => {
    const own = [{ actions: ['secretsmanager:GetSecretValue'], resources: [SECRET] }];
    expect(authorize(GET_SECRET, { SecretId: SECRET }, own)).toEqual({ isResolved: true });
    expect(authorize(GET_SECRET, { SecretId: 'db' }, own)).toEqual({ isResolved: false });
    expect(authorize(GET_SECRET, { SecretId: 'other' }, own)).toEqual({
      code: 'resource_outside',
      message:
        'secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-central-1:111122223333:secret:other-?????? is outside task report',
    });
  });

  it.each([
    [['ecr:GetAuthorizationToken'], undefined],
    [['ecr:*'], 'operation_mints'],
    [['ecr:GetAuthorization?oken'], 'operation_mints'],
    [['ecr:*', 'ecr:GetAuthorizationToken'], undefined],
    [['ecr:BatchGetImage'], 'action_outside'],
  ])('wants the literal action of an operation that mints: %j', (actions, code) => {
    expect(authorize(GET_TOKEN, {}, [{ actions, resources: ['*'] }])).toMatchObject(
      code === undefined ? { isResolved: true } : { code },
    );
  });

  it('wants the literal action in a statement that covers the resource', () => {
    const statements = [
      { actions: ['ecr:*'], resources: ['*'] },
      { actions: ['ecr:GetAuthorizationToken'], resources: ['arn:aws:ecr:*:*:repository/a'] },
    ];
    expect(authorize(GET_TOKEN, {}, statements)).toMatchObject({ code: 'operation_mints' });
  });

  it('refuses an operation whose permissions are not known', () => {
    const call = ['dynamodb', 'DynamoDB_20120810.ExecuteStatement'];
    const all = [{ actions: ['*'], resources: ['*'] }];
    expect(authorize(call, { Statement: 'SELECT' }, all)).toEqual({
      code: 'operation_unmapped',
      message: 'the permissions of dynamodb ExecuteStatement are not known',
    });
  });
});

describe('readForm', () => {
  const headers = new Map([['content-type', 'application/x-www-form-urlencoded']]);

  const sns = readService('sns');

  it('leaves bodies of services without forms alone, whatever their type', () => {
    const body = Buffer.from('<Delete></Delete>&%');
    expect(readForm(readService('s3'), headers, body)).toEqual({ ok: true, value: undefined });
  });

  it('reads a form, and leaves other bodies alone', () => {
    expect(readForm(sns, headers, Buffer.from('Action=A'))).toEqual({
      ok: true,
      value: new Map([['Action', 'A']]),
    });
    expect(readForm(sns, new Map(), Buffer.from('Action=A'))).toEqual({
      ok: true,
      value: undefined,
    });
  });

  it('refuses a field that is given twice', () => {
    expect(readForm(sns, headers, Buffer.from('Action=A&Action=B'))).toMatchObject({
      refusal: { code: 'request_malformed' },
    });
  });
});
