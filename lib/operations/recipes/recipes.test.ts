import { describe, expect, it } from '@jest/globals';
import fc from '../../../test/kit/fast-check.ts';
import {
  ACCOUNT,
  buildArn,
  formCall,
  jsonCall,
  listNeeds,
  REGION,
} from '../../../test/kit/operation-calls.ts';

const UUID = '0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab';
const MALFORMED = ['request_malformed'];

/** An ARN with other parts: the account of another, the region of another, another partition. */
const inAccount = (arn: string): string => arn.replace(ACCOUNT, '999988887777');
const inRegion = (arn: string): string => arn.replace(REGION, 'us-east-1');
const inPartition = (arn: string): string => arn.replace('arn:aws:', 'arn:aws-cn:');

describe('DynamoDB', () => {
  const table = (name: string): string => buildArn('dynamodb', `table/${name}`);
  const list = (operation: string, body: unknown) =>
    listNeeds(jsonCall('dynamodb', `DynamoDB_20120810.${operation}`, body));

  it.each([
    ['GetItem', { TableName: 'orders' }, [`dynamodb:GetItem ${table('orders')}`]],
    ['PutItem', { TableName: table('orders') }, [`dynamodb:PutItem ${table('orders')}`]],
    [
      'PutItem',
      { TableName: inAccount(table('orders')) },
      [`dynamodb:PutItem ${inAccount(table('orders'))}`],
    ],
    ['Query', { TableName: 'orders' }, [`dynamodb:Query ${table('orders')}`]],
    [
      'Query',
      { TableName: 'orders', IndexName: 'by-day' },
      [`dynamodb:Query ${table('orders/index/by-day')}`],
    ],
    [
      'BatchGetItem',
      { RequestItems: { orders: {}, Orders: {} } },
      [`dynamodb:BatchGetItem ${table('orders')}`, `dynamodb:BatchGetItem ${table('Orders')}`],
    ],
    [
      'BatchWriteItem',
      { RequestItems: { [table('orders')]: [], secrets: [] } },
      [`dynamodb:BatchWriteItem ${table('orders')}`, `dynamodb:BatchWriteItem ${table('secrets')}`],
    ],
    [
      'TransactGetItems',
      { TransactItems: [{ Get: { TableName: 'a-1' } }, { Get: { TableName: 'b-1' } }] },
      [`dynamodb:GetItem ${table('a-1')}`, `dynamodb:GetItem ${table('b-1')}`],
    ],
    [
      'TransactWriteItems',
      {
        TransactItems: [
          { Put: { TableName: 'a-1' } },
          { Update: { TableName: 'b-1' } },
          { Delete: { TableName: 'c-1' } },
          { ConditionCheck: { TableName: 'd-1' } },
        ],
      },
      [
        `dynamodb:PutItem ${table('a-1')}`,
        `dynamodb:UpdateItem ${table('b-1')}`,
        `dynamodb:DeleteItem ${table('c-1')}`,
        `dynamodb:ConditionCheckItem ${table('d-1')}`,
      ],
    ],
    ['ListTables', {}, ['dynamodb:ListTables *']],
    [
      'TagResource',
      { ResourceArn: table('orders/index/by-day') },
      [`dynamodb:TagResource ${table('orders/index/by-day')}`],
    ],
  ])('reads %s %j', (operation, body, expected) => {
    expect(list(operation, body)).toEqual(expected);
  });

  it.each([
    ['no table', 'GetItem', {}],
    ['an empty table', 'GetItem', { TableName: '' }],
    ['a table that is no text', 'GetItem', { TableName: ['orders'] }],
    ['a name in another case', 'GetItem', { tableName: 'orders' }],
    ['two names', 'GetItem', { TableName: 'orders', tablename: 'secrets' }],
    ['a name twice', 'GetItem', '{"TableName":"orders","TableName":"secrets"}'],
    ['a name twice in an item', 'PutItem', '{"TableName":"orders","Item":{"a":{},"a":{}}}'],
    ['an ARN of another region', 'GetItem', { TableName: inRegion(table('orders')) }],
    ['an ARN of another partition', 'GetItem', { TableName: inPartition(table('orders')) }],
    ['an ARN of an index as a table', 'GetItem', { TableName: table('orders/index/i') }],
    ['an ARN of another service', 'GetItem', { TableName: buildArn('sqs', 'table/orders') }],
    ['an ARN without account', 'GetItem', { TableName: table('orders').replace(ACCOUNT, '') }],
    ['an ARN in capitals', 'GetItem', { TableName: table('orders').replace('arn', 'ARN') }],
    ['a wildcard', 'GetItem', { TableName: '*' }],
    ['a path', 'GetItem', { TableName: 'orders/../secrets' }],
    ['a space', 'GetItem', { TableName: 'orders ' }],
    ['a line break', 'GetItem', { TableName: 'orders\n' }],
    ['an index that is a path', 'Query', { TableName: 'orders', IndexName: '../secrets' }],
    ['no tables', 'BatchGetItem', { RequestItems: {} }],
    ['tables in a list', 'BatchGetItem', { RequestItems: ['orders'] }],
    ['a table that is no name', 'BatchWriteItem', { RequestItems: { 'or ders': [] } }],
    ['no items', 'TransactWriteItems', { TransactItems: [] }],
    ['items in a map', 'TransactWriteItems', { TransactItems: {} }],
    ['an item of none', 'TransactWriteItems', { TransactItems: [{}] }],
    [
      'an item of two',
      'TransactWriteItems',
      { TransactItems: [{ Put: { TableName: 'a-1' }, Delete: { TableName: 'b-1' } }] },
    ],
    [
      'an item of two that differ in case',
      'TransactWriteItems',
      { TransactItems: [{ Put: { TableName: 'a-1' }, put: { TableName: 'b-1' } }] },
    ],
    ['a name where an ARN belongs', 'TagResource', { ResourceArn: 'orders' }],
    ['no body', 'GetItem', ''],
    ['no JSON', 'GetItem', 'TableName=orders'],
  ])('refuses %s in %s', (_, operation, body) => {
    expect(list(operation, body)).toEqual(MALFORMED);
  });

  it('reads any members in any order as the one table that every reader finds, or refuses', () => {
    const name = fc.constantFrom('"TableName"', '"tableName"', '"Table\\u004eame"', '"Other"');
    const text = fc.oneof(
      fc.constantFrom('orders', 'secrets', '*', '..', 'a/b', table('orders'), inRegion(table('a'))),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
    );
    const value = fc.oneof(
      { weight: 4, arbitrary: text.map((each) => JSON.stringify(each)) },
      fc.constantFrom('null', '1', '{}', '["orders"]', '{"TableName":"orders"}'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 3 }), (members) => {
        const body = `{${members.map(([own, each]) => `${own}:${each}`).join(',')}}`;
        const needs = list('GetItem', body);
        if (needs[0] === MALFORMED[0]) return;
        const named = members.filter(([own]) => own !== '"Other"');
        expect(named).toHaveLength(1);
        const { TableName } = JSON.parse(body) as { TableName: string };
        const own = TableName.startsWith('arn:') ? TableName : table(TableName);
        expect(needs).toEqual([`dynamodb:GetItem ${own}`]);
        expect(own).toMatch(/^arn:aws:dynamodb:eu-central-1:111122223333:table\/[\w.-]+$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['ExecuteStatement', 'BatchExecuteStatement', 'ExecuteTransaction'])(
    'refuses %s, whose language names tables and actions',
    (operation) => {
      expect(list(operation, { Statement: 'SELECT * FROM orders' })).toEqual([
        'operation_unmapped',
      ]);
    },
  );
});

describe('SQS', () => {
  const queue = (name: string): string => buildArn('sqs', name);
  const url = `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/jobs`;
  const list = (operation: string, body: unknown) =>
    listNeeds(jsonCall('sqs', `AmazonSQS.${operation}`, body));

  it.each([
    ['SendMessage', { QueueUrl: url }, [`sqs:SendMessage ${queue('jobs')}`]],
    ['SendMessageBatch', { QueueUrl: url }, [`sqs:SendMessage ${queue('jobs')}`]],
    ['DeleteMessageBatch', { QueueUrl: url }, [`sqs:DeleteMessage ${queue('jobs')}`]],
    [
      'ReceiveMessage',
      { QueueUrl: `http://127.0.0.1:9473/${ACCOUNT}/jobs.fifo` },
      [`sqs:ReceiveMessage ${queue('jobs.fifo')}`],
    ],
    ['SendMessage', { QueueUrl: inAccount(url) }, [`sqs:SendMessage ${inAccount(queue('jobs'))}`]],
    ['GetQueueUrl', { QueueName: 'jobs' }, [`sqs:GetQueueUrl ${queue('jobs')}`]],
    [
      'GetQueueUrl',
      { QueueName: 'jobs', QueueOwnerAWSAccountId: '999988887777' },
      [`sqs:GetQueueUrl ${inAccount(queue('jobs'))}`],
    ],
    [
      'StartMessageMoveTask',
      { SourceArn: queue('dlq') },
      [`sqs:StartMessageMoveTask ${queue('dlq')}`],
    ],
  ])('reads %s %j', (operation, body, expected) => {
    expect(list(operation, body)).toEqual(expected);
  });

  it.each([
    ['no URL', {}],
    ['a name', { QueueUrl: 'jobs' }],
    ['an ARN', { QueueUrl: queue('jobs') }],
    ['a query', { QueueUrl: `${url}?x` }],
    ['a fragment', { QueueUrl: `${url}#x` }],
    ['a longer path', { QueueUrl: `${url}/x` }],
    ['an account of letters', { QueueUrl: url.replace(ACCOUNT, 'queue') }],
    ['a user', { QueueUrl: url.replace('//', '//a@') }],
    ['an encoded name', { QueueUrl: `${url}%2e` }],
    ['a line break', { QueueUrl: `${url}\n` }],
  ])('refuses %s in QueueUrl', (_, body) => {
    expect(list('SendMessage', body)).toEqual(MALFORMED);
  });
});

describe('SNS', () => {
  const topic = buildArn('sns', 'alerts');
  const list = (operation: string, fields: Readonly<Record<string, string>>) =>
    listNeeds(formCall('sns', { Action: operation, Version: '2010-03-31', ...fields }));

  it.each([
    ['Publish', { TopicArn: topic }, [`sns:Publish ${topic}`]],
    ['Publish', { TargetArn: inAccount(topic) }, [`sns:Publish ${inAccount(topic)}`]],
    ['Publish', { PhoneNumber: '+100' }, ['sns:Publish *']],
    ['PublishBatch', { TopicArn: topic }, [`sns:Publish ${topic}`]],
    ['CreateTopic', { Name: 'alerts' }, [`sns:CreateTopic ${topic}`]],
    ['Subscribe', { TopicArn: topic }, [`sns:Subscribe ${topic}`]],
  ])('reads %s %j', (operation, fields, expected) => {
    expect(list(operation, fields)).toEqual(expected);
  });

  it.each([
    ['none', {}],
    ['two targets', { TopicArn: topic, TargetArn: topic }],
    ['a topic and a telephone', { TopicArn: topic, PhoneNumber: '+100' }],
    ['a name', { TopicArn: 'alerts' }],
    ['another region', { TopicArn: inRegion(topic) }],
    ['a field in another case', { TopicArn: topic, topicarn: inAccount(topic) }],
  ])('refuses %s', (_, fields) => {
    expect(list('Publish', fields)).toEqual(MALFORMED);
  });

  it('refuses a body that is no form beside an Action in the query', () => {
    const line = 'POST /?Action=Publish&Version=2010-03-31&TopicArn=x';
    const call = { signingName: 'sns', line, headers: { 'content-type': 'text/plain' } };
    expect(listNeeds({ ...call, body: 'Action=DeleteTopic' })).toEqual(MALFORMED);
  });
});

describe('Kinesis and EventBridge', () => {
  const stream = buildArn('kinesis', 'stream/clicks');
  const kinesis = (operation: string, body: unknown) =>
    listNeeds(jsonCall('kinesis', `Kinesis_20131202.${operation}`, body));
  const events = (operation: string, body: unknown) =>
    listNeeds(jsonCall('events', `AWSEvents.${operation}`, body));

  it.each([
    [{ StreamName: 'clicks' }, [`kinesis:PutRecord ${stream}`]],
    [{ StreamARN: stream }, [`kinesis:PutRecord ${stream}`]],
    [{ StreamARN: stream, StreamName: 'clicks' }, [`kinesis:PutRecord ${stream}`]],
    [{ StreamARN: stream, StreamName: 'other' }, MALFORMED],
    [{ StreamARN: inRegion(stream) }, MALFORMED],
    [{ StreamName: stream }, MALFORMED],
    [{}, ['kinesis:PutRecord unresolved']],
    [{ StreamId: 'x', StreamName: 'clicks' }, ['kinesis:PutRecord unresolved']],
  ])('reads PutRecord %j', (body, expected) => {
    expect(kinesis('PutRecord', body)).toEqual(expected);
  });

  it('reads the CBOR that the SDK for Java sends to Kinesis', () => {
    const body = Buffer.concat([
      Buffer.from('a16a', 'hex'),
      Buffer.from('StreamName'),
      Buffer.from('66', 'hex'),
      Buffer.from('clicks'),
    ]);
    const call = jsonCall('kinesis', 'Kinesis_20131202.PutRecord', '');
    const headers = { ...call.headers, 'content-type': 'application/x-amz-cbor-1.1' };
    expect(listNeeds({ ...call, headers, body })).toEqual([`kinesis:PutRecord ${stream}`]);
  });

  it.each([
    [
      'PutEvents',
      { Entries: [{}] },
      [`events:PutEvents ${buildArn('events', 'event-bus/default')}`],
    ],
    [
      'PutEvents',
      { Entries: [{ EventBusName: 'a' }, { EventBusName: buildArn('events', 'event-bus/b') }] },
      ['a', 'b'].map((name) => `events:PutEvents ${buildArn('events', `event-bus/${name}`)}`),
    ],
    ['PutEvents', { Entries: [{}], EndpointId: 'x' }, ['events:PutEvents unresolved']],
    ['PutEvents', { Entries: [] }, MALFORMED],
    ['PutEvents', { Entries: [{ EventBusName: 'a', eventBusName: 'b' }] }, MALFORMED],
    ['PutRule', { Name: 'nightly' }, [`events:PutRule ${buildArn('events', 'rule/nightly')}`]],
    [
      'PutTargets',
      { Rule: 'nightly', EventBusName: 'a' },
      [`events:PutTargets ${buildArn('events', 'rule/a/nightly')}`],
    ],
    ['PutTargets', { Rule: 'a/nightly' }, MALFORMED],
  ])('reads %s %j', (operation, body, expected) => {
    expect(events(operation, body)).toEqual(expected);
  });
});

describe('Secrets Manager', () => {
  const arn = buildArn('secretsmanager', 'secret:prod/db-AbCdEf');
  const partial = buildArn('secretsmanager', 'secret:prod/db');
  const list = (operation: string, body: unknown) =>
    listNeeds(jsonCall('secretsmanager', `secretsmanager.${operation}`, body));

  it.each([
    ['GetSecretValue', { SecretId: arn }, [`secretsmanager:GetSecretValue ${arn}`]],
    [
      'GetSecretValue',
      { SecretId: 'prod/db' },
      [`secretsmanager:GetSecretValue ~${partial}-??????`],
    ],
    ['GetSecretValue', { SecretId: partial }, [`secretsmanager:GetSecretValue ~${partial}-??????`]],
    ['CreateSecret', { Name: 'prod/db' }, [`secretsmanager:CreateSecret ~${partial}-??????`]],
    [
      'BatchGetSecretValue',
      { SecretIdList: [arn, 'b'] },
      [
        `secretsmanager:BatchGetSecretValue ${arn}`,
        `secretsmanager:BatchGetSecretValue ~${buildArn('secretsmanager', 'secret:b-??????')}`,
      ],
    ],
    ['BatchGetSecretValue', {}, ['secretsmanager:BatchGetSecretValue unresolved']],
    ['GetSecretValue', {}, MALFORMED],
    ['GetSecretValue', { SecretId: 'a*' }, MALFORMED],
    ['GetSecretValue', { SecretId: inRegion(arn) }, MALFORMED],
    ['GetSecretValue', { SecretId: buildArn('secretsmanager', 'other:x-AbCdEf') }, MALFORMED],
    ['BatchGetSecretValue', { SecretIdList: [1] }, MALFORMED],
  ])('reads %s %j', (operation, body, expected) => {
    expect(list(operation, body)).toEqual(expected);
  });
});

describe('KMS', () => {
  const key = buildArn('kms', `key/${UUID}`);
  const alias = buildArn('kms', 'alias/app');
  const list = (operation: string, body: unknown) =>
    listNeeds(jsonCall('kms', `TrentService.${operation}`, body));

  it.each([
    ['Encrypt', { KeyId: UUID }, [`kms:Encrypt ${key}`]],
    ['Encrypt', { KeyId: key }, [`kms:Encrypt ${key}`]],
    ['Encrypt', { KeyId: 'alias/app' }, ['kms:Encrypt unresolved']],
    ['Encrypt', { KeyId: alias }, ['kms:Encrypt unresolved']],
    ['Encrypt', { KeyId: UUID.toUpperCase() }, MALFORMED],
    ['Encrypt', { KeyId: inRegion(key) }, MALFORMED],
    ['Encrypt', { KeyId: inRegion(alias) }, MALFORMED],
    ['Encrypt', {}, MALFORMED],
    ['Decrypt', {}, ['kms:Decrypt unresolved']],
    ['Decrypt', { KeyId: UUID }, [`kms:Decrypt ${key}`]],
    [
      'ReEncrypt',
      { SourceKeyId: UUID, DestinationKeyId: inAccount(key) },
      [`kms:ReEncryptFrom ${key}`, `kms:ReEncryptTo ${inAccount(key)}`],
    ],
    [
      'ReEncrypt',
      { DestinationKeyId: UUID },
      ['kms:ReEncryptFrom unresolved', `kms:ReEncryptTo ${key}`],
    ],
  ])('reads %s %j', (operation, body, expected) => {
    expect(list(operation, body)).toEqual(expected);
  });
});

describe('Systems Manager', () => {
  const parameter = (name: string): string => buildArn('ssm', `parameter/${name}`);
  const list = (operation: string, body: unknown) =>
    listNeeds(jsonCall('ssm', `AmazonSSM.${operation}`, body));

  it.each([
    ['GetParameter', { Name: '/app/db' }, [`ssm:GetParameter ${parameter('app/db')}`]],
    ['GetParameter', { Name: 'db' }, [`ssm:GetParameter ${parameter('db')}`]],
    ['GetParameter', { Name: '/app/db:3' }, [`ssm:GetParameter ${parameter('app/db')}`]],
    [
      'GetParameter',
      { Name: `${parameter('app/db')}:live` },
      [`ssm:GetParameter ${parameter('app/db')}`],
    ],
    [
      'GetParameter',
      { Name: '/aws/service/ami' },
      [`ssm:GetParameter ${parameter('aws/service/ami').replace(ACCOUNT, '')}`],
    ],
    [
      'GetParameter',
      { Name: '/aws/reference/secretsmanager/prod' },
      [
        `ssm:GetParameter ${parameter('aws/reference/secretsmanager/prod')}`,
        'secretsmanager:GetSecretValue unresolved',
      ],
    ],
    [
      'GetParameters',
      { Names: ['/a', 'b:1'] },
      [`ssm:GetParameters ${parameter('a')}`, `ssm:GetParameters ${parameter('b')}`],
    ],
    ['GetParametersByPath', { Path: '/app/' }, [`ssm:GetParametersByPath ${parameter('app/')}`]],
    ['GetParametersByPath', { Path: '/' }, [`ssm:GetParametersByPath ${parameter('')}`]],
    ['GetParameter', { Name: '//app/db' }, MALFORMED],
    ['GetParameter', { Name: '/app//db' }, MALFORMED],
    ['GetParameter', { Name: '/app/db/' }, MALFORMED],
    ['GetParameter', { Name: 'a:b:c' }, MALFORMED],
    ['GetParameter', { Name: inRegion(parameter('a')) }, MALFORMED],
    ['GetParameters', { Names: [] }, MALFORMED],
    ['GetParameters', { Names: [1] }, MALFORMED],
    ['GetParametersByPath', { Path: 'app' }, MALFORMED],
  ])('reads %s %j', (operation, body, expected) => {
    expect(list(operation, body)).toEqual(expected);
  });
});

describe('Lambda', () => {
  const own = buildArn('lambda', 'function:report');
  const invoke = (name: string, query = '') =>
    listNeeds({
      signingName: 'lambda',
      line: `POST /2015-03-31/functions/${encodeURIComponent(name)}/invocations${query}`,
      body: 'any bytes',
    });

  it.each([
    ['report', '', own],
    ['report:live', '', `${own}:live`],
    ['report', '?Qualifier=%24LATEST', `${own}:$LATEST`],
    ['report:live', '?Qualifier=live', `${own}:live`],
    ['function:report', '', own],
    [`${ACCOUNT}:function:report`, '', own],
    ['999988887777:function:report:7', '', `${inAccount(own)}:7`],
    [own, '', own],
    [`${own}:live`, '', `${own}:live`],
  ])('reads Invoke of %s%s', (name, query, expected) => {
    expect(invoke(name, query)).toEqual([`lambda:InvokeFunction ${expected}`]);
  });

  it.each([
    ['two qualifiers', 'report:live', '?Qualifier=test'],
    ['another region', inRegion(own), ''],
    ['another partition', inPartition(own), ''],
    ['an ARN of a layer', buildArn('lambda', 'layer:report'), ''],
    ['a qualifier that is no name', 'report', '?Qualifier=a%3Ab'],
    ['a wildcard', 'report*', ''],
    ['an ARN without account', own.replace(`${ACCOUNT}:`, ''), ''],
  ])('refuses %s', (_, name, query) => {
    expect(invoke(name, query)).toEqual(MALFORMED);
  });

  it('reads the function that is created from the body', () => {
    const call = { signingName: 'lambda', line: 'POST /2015-03-31/functions' };
    const headers = { 'content-type': 'application/json' };
    expect(listNeeds({ ...call, headers, body: '{"FunctionName":"report"}' })).toEqual([
      `lambda:CreateFunction ${own}`,
    ]);
  });
});

describe('Bedrock', () => {
  const model = `arn:aws:bedrock:${REGION}::foundation-model/anthropic.claude-3-haiku-20240307-v1:0`;
  const profile = buildArn('bedrock', 'inference-profile/eu.anthropic.claude-sonnet-4-v1:0');
  const invoke = (id: string, headers: Record<string, string> = {}) =>
    listNeeds({
      signingName: 'bedrock',
      line: `POST /model/${encodeURIComponent(id)}/invoke`,
      headers,
      body: '{}',
    });

  it.each([
    ['anthropic.claude-3-haiku-20240307-v1:0', model],
    [model, model],
    ['eu.anthropic.claude-sonnet-4-v1:0', profile],
    [profile, profile],
    ['moon.anthropic.claude-sonnet-4-v1:0', 'unresolved'],
  ])('reads InvokeModel of %s', (id, expected) => {
    expect(invoke(id)).toEqual([`bedrock:InvokeModel ${expected}`]);
  });

  it.each([inRegion(model), 'claude', buildArn('bedrock', 'guardrail/x'), 'a b.c'])(
    'refuses InvokeModel of %s',
    (id) => {
      expect(invoke(id)).toEqual(MALFORMED);
    },
  );

  it('needs the guardrail of a header, and of the body of Converse, too', () => {
    const guardrail = `bedrock:ApplyGuardrail ${buildArn('bedrock', 'guardrail/gr1')}`;
    expect(invoke(model, { 'x-amzn-bedrock-guardrailidentifier': 'gr1' })).toEqual([
      `bedrock:InvokeModel ${model}`,
      guardrail,
    ]);
    const call = {
      signingName: 'bedrock',
      line: `POST /model/${encodeURIComponent(model)}/converse`,
      headers: { 'content-type': 'application/json' },
    };
    expect(
      listNeeds({ ...call, body: '{"guardrailConfig":{"guardrailIdentifier":"gr1"}}' }),
    ).toEqual([`bedrock:InvokeModel ${model}`, guardrail]);
    expect(listNeeds({ ...call, body: '{}' })).toEqual([`bedrock:InvokeModel ${model}`]);
  });
});

describe('Step Functions and CloudWatch Logs', () => {
  const machine = buildArn('states', 'stateMachine:nightly');
  const states = (operation: string, body: unknown) =>
    listNeeds(jsonCall('states', `AWSStepFunctions.${operation}`, body));
  const group = (name: string): string => buildArn('logs', `log-group:${name}`);
  const logs = (operation: string, body: unknown) =>
    listNeeds(jsonCall('logs', `Logs_20140328.${operation}`, body));

  it.each([
    ['StartExecution', { stateMachineArn: machine }, [`states:StartExecution ${machine}`]],
    [
      'StartExecution',
      { stateMachineArn: `${machine}:live` },
      [`states:StartExecution ${machine}:live`],
    ],
    ['StartExecution', { stateMachineArn: 'nightly' }, MALFORMED],
    ['StartExecution', { stateMachineArn: inRegion(machine) }, MALFORMED],
    ['CreateStateMachine', { name: 'nightly' }, [`states:CreateStateMachine ${machine}`]],
    ['CreateStateMachine', { name: 'a:b' }, MALFORMED],
  ])('reads %s %j', (operation, body, expected) => {
    expect(states(operation, body)).toEqual(expected);
  });

  it.each([
    [
      'PutLogEvents',
      { logGroupName: '/app/web', logStreamName: 's' },
      [`logs:PutLogEvents ${group('/app/web:log-stream:s')}`],
    ],
    [
      'FilterLogEvents',
      { logGroupIdentifier: group('/app/web') },
      [`logs:FilterLogEvents ${group('/app/web:log-stream:')}`],
    ],
    ['FilterLogEvents', { logGroupName: 'a', logGroupIdentifier: group('b') }, MALFORMED],
    ['FilterLogEvents', {}, ['logs:FilterLogEvents unresolved']],
    ['DescribeLogGroups', {}, [`logs:DescribeLogGroups ${group(':log-stream:')}`]],
    [
      'StartQuery',
      { logGroupNames: ['a', 'b'] },
      ['a', 'b'].map((name) => `logs:StartQuery ${group(`${name}:log-stream:`)}`),
    ],
    ['StartQuery', {}, ['logs:StartQuery unresolved']],
    ['StartQuery', { logGroupNames: [1] }, MALFORMED],
    ['PutLogEvents', { logGroupName: 'a:b', logStreamName: 's' }, MALFORMED],
    ['PutLogEvents', { logGroupName: 'a', logStreamName: 's:*' }, MALFORMED],
  ])('reads %s %j', (operation, body, expected) => {
    expect(logs(operation, body)).toEqual(expected);
  });
});
