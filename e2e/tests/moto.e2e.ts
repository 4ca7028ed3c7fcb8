import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { clock, schedule } from '../../cmd/sidecar/system-clock.ts';
import type { SigningService } from '../../lib/calls/call-authorization.ts';
import { createBodyBuffers } from '../../lib/calls/body-buffers.ts';
import type { EndedCall } from '../../lib/calls/ended-call.ts';
import { createOriginFinder } from '../../lib/calls/cloud-origins.ts';
import type { HandleCall } from '../../lib/edge/gateway/call-exchange.ts';
import { createCallHandler } from '../../lib/edge/gateway/call-handler.ts';
import { createGatewayServer } from '../../lib/edge/http/gateway-listener.ts';
import { createUpstreamClient } from '../../lib/edge/http/upstream-client.ts';
import { createRecognizer } from '../../lib/operations/recognize.ts';
import type { OperationTable } from '../../lib/operations/table.ts';
import { createLocalKeys } from '../../lib/runs/local-keys.ts';
import { createTextSigner, type AwsKeys } from '../../lib/signing/signing-keys.ts';
import { buildMoto, buildPython, runBotocoreCalls } from '../clients/client-builds.ts';
import { buildKinesis, runKinesisCalls } from '../clients/kinesis-client.ts';
import { MOTO_ACCOUNT, MOTO_REGION, startMoto, type Moto } from '../clouds/moto.ts';

type Call = {
  readonly service: string;
  readonly operation: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
};

/** What a call returned, or what it raised and our code of the refusal. */
type Outcome = {
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly Code: string; readonly Message: string };
  readonly code?: string | null;
};

const buildArn = (service: string, resource: string): string =>
  `arn:aws:${service}:${MOTO_REGION}:${MOTO_ACCOUNT}:${resource}`;

const owner = { consumer: 'agent', task: 'orders' };
const allow = [
  {
    actions: ['dynamodb:PutItem', 'dynamodb:GetItem', 'dynamodb:BatchGetItem'],
    resources: [buildArn('dynamodb', 'table/orders')],
  },
  { actions: ['dynamodb:BatchWriteItem'], resources: [buildArn('dynamodb', 'table/orders')] },
  {
    actions: ['sqs:GetQueueUrl', 'sqs:SendMessage', 'sqs:ReceiveMessage', 'sqs:DeleteMessage'],
    resources: [buildArn('sqs', 'jobs')],
  },
  { actions: ['sns:Publish'], resources: [buildArn('sns', 'alerts')] },
  {
    actions: ['secretsmanager:GetSecretValue'],
    resources: [buildArn('secretsmanager', 'secret:app/db-??????')],
  },
  {
    actions: ['kinesis:PutRecord', 'kinesis:PutRecords'],
    resources: [buildArn('kinesis', 'stream/clicks')],
  },
  { actions: ['kinesis:ListStreams'], resources: ['*'] },
];

const SERVICES = ['dynamodb', 'kinesis', 'secretsmanager', 'sns', 'sqs'];

const readService = (signingName: string): SigningService | undefined => {
  if (!SERVICES.includes(signingName)) return undefined;
  const file = join('lib/operations/data', `${signingName}.json`);
  const table = JSON.parse(readFileSync(file, 'utf8')) as OperationTable;
  return { table, recognize: createRecognizer(table) };
};

const upstream = createUpstreamClient({}, { isAllowedAddress: () => true });
const outcomes: EndedCall[] = [];
let handle: HandleCall | undefined;
const { server, close: closeServer } = createGatewayServer(
  (incoming, outgoing) => void handle?.(incoming, outgoing),
);

/** Starts the gateway before moto. @returns its endpoint, and the local keys of its task */
const startGateway = async (moto: Moto): Promise<{ endpoint: string; keys: AwsKeys }> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const localKeys = createLocalKeys({
    seeds: new Map([['agent', randomBytes(32)]]),
    tasks: [owner],
    randomBytes,
  });
  const { signal } = new AbortController();
  const signText = createTextSigner();
  const limits = { maxBodyBytes: 1024 * 1024, bufferBytes: 4 * 1024 * 1024 };
  const run = {
    ...{ run: 'run-1', task: owner.task, allow, account: MOTO_ACCOUNT, keys: moto.keys },
    ...{
      signText,
      signal,
      endWithRun: () => undefined,
      release: () => undefined,
      expire: () => undefined,
    },
  };
  handle = createCallHandler({
    getHost: () => host,
    dialect: 'aws',
    findKeys: localKeys.find,
    resolveRun: () => Promise.resolve(run),
    findService: readService,
    findOrigin: createOriginFinder({
      region: MOTO_REGION,
      dialect: 'aws',
      endpoints: SERVICES.map((service) => ({ service, url: moto.origin })),
    }),
    forward: upstream.forward,
    signText,
    buffers: createBodyBuffers(limits, { schedule }),
    maxBodyBytes: limits.maxBodyBytes,
    clock,
    createId: randomUUID,
    identified: () => undefined,
    isJournalBlocked: () => false,
    begun: () => undefined,
    report: (outcome) => outcomes.push(outcome),
  });
  return { endpoint: `http://${host}`, keys: localKeys.forTask(owner) };
};

const item = (id: string) => ({ id: { S: id } });
const put = (id: string) => ({ PutRequest: { Item: item(id) } });

describe('services of AWS behind the gateway', () => {
  let python = '';
  let kinesis = '';
  let moto: Moto;
  let gateway: { endpoint: string; keys: AwsKeys };

  const call = async (
    endpoint: string,
    keys: AwsKeys,
    calls: readonly Call[],
  ): Promise<readonly Outcome[]> => {
    const plan = {
      ...{ endpoint, ...keys, region: MOTO_REGION },
      calls: calls.map((each) => ({ parameters: {}, ...each })),
    };
    const lines = (await runBotocoreCalls(python, plan)).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Outcome);
  };
  const callCloud = (...calls: Call[]) => call(moto.origin, moto.keys, calls);
  const callGateway = (...calls: Call[]) => call(gateway.endpoint, gateway.keys, calls);

  beforeAll(async () => {
    const progress = (line: string) => process.stdout.write(`${line}\n`);
    python = await buildPython(progress);
    kinesis = await buildKinesis(progress);
    moto = await startMoto(await buildMoto(progress));
    gateway = await startGateway(moto);
    const createTable = (TableName: string): Call => ({
      service: 'dynamodb',
      operation: 'create_table',
      parameters: {
        TableName,
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        BillingMode: 'PAY_PER_REQUEST',
      },
    });
    const create = (service: string, operation: string, parameters: object): Call => ({
      service,
      operation,
      parameters: { ...parameters },
    });
    const made = await callCloud(
      createTable('orders'),
      createTable('salaries'),
      create('sqs', 'create_queue', { QueueName: 'jobs' }),
      create('sqs', 'create_queue', { QueueName: 'other' }),
      create('sns', 'create_topic', { Name: 'alerts' }),
      create('sns', 'create_topic', { Name: 'other' }),
      create('secretsmanager', 'create_secret', { Name: 'app/db', SecretString: 'of the app' }),
      create('secretsmanager', 'create_secret', { Name: 'root', SecretString: 'of root' }),
      create('kinesis', 'create_stream', { StreamName: 'clicks', ShardCount: 1 }),
      create('kinesis', 'create_stream', { StreamName: 'payments', ShardCount: 1 }),
    );
    expect(made.filter(({ error }) => error !== undefined)).toEqual([]);
  }, 600_000);

  afterAll(async () => {
    await closeServer();
    await upstream.close();
    await moto.close();
  });

  it('have a cloud that refuses a wrong signature and unknown keys, in each service', async () => {
    const calls: Call[] = [
      { service: 'dynamodb', operation: 'list_tables' },
      { service: 'sqs', operation: 'list_queues' },
      { service: 'sns', operation: 'list_topics' },
      { service: 'secretsmanager', operation: 'list_secrets' },
      { service: 'kinesis', operation: 'list_streams' },
    ];
    const right = await callCloud(...calls);
    expect(right.filter(({ error }) => error !== undefined)).toEqual([]);
    const wrongSecret = { ...moto.keys, secretAccessKey: `${moto.keys.secretAccessKey}x` };
    for (const { error } of await call(moto.origin, wrongSecret, calls)) {
      expect(JSON.stringify(error)).toMatch(/SignatureDoesNotMatch|signature we calculated/);
    }
    // The keys of an agent that bypasses the gateway.
    for (const { error } of await call(moto.origin, gateway.keys, calls)) {
      expect(JSON.stringify(error)).toMatch(/InvalidClientTokenId|token included in the request/);
    }
  });

  it('write and read DynamoDB items of the task’s table alone', async () => {
    const dynamodb = (operation: string, parameters: object): Call => ({
      service: 'dynamodb',
      operation,
      parameters: { ...parameters },
    });
    const made = await callGateway(
      dynamodb('put_item', { TableName: 'orders', Item: item('1') }),
      dynamodb('put_item', { TableName: buildArn('dynamodb', 'table/orders'), Item: item('2') }),
      dynamodb('batch_write_item', { RequestItems: { orders: [put('3')] } }),
      dynamodb('get_item', { TableName: 'orders', Key: item('1') }),
      dynamodb('batch_get_item', { RequestItems: { orders: { Keys: [item('3')] } } }),
    );
    expect(made.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(made[3]?.result).toMatchObject({ Item: item('1') });
    expect(made[4]?.result).toMatchObject({ Responses: { orders: [item('3')] } });

    const refused = await callGateway(
      dynamodb('put_item', { TableName: 'salaries', Item: item('1') }),
      dynamodb('batch_write_item', { RequestItems: { orders: [put('4')], salaries: [put('4')] } }),
      dynamodb('batch_get_item', { RequestItems: { salaries: { Keys: [item('1')] } } }),
      dynamodb('delete_table', { TableName: 'orders' }),
      dynamodb('execute_statement', { Statement: 'SELECT * FROM salaries' }),
      dynamodb('list_tables', {}),
    );
    expect(refused.map(({ code }) => code)).toEqual([
      'resource_outside',
      'resource_outside',
      'resource_outside',
      'action_outside',
      'operation_unmapped',
      'action_outside',
    ]);
    expect(refused[0]?.error).toEqual({
      Code: 'AccessDenied',
      Message: `valetkey: dynamodb:PutItem on ${buildArn('dynamodb', 'table/salaries')} is outside task orders (resource_outside)`,
    });

    const [orders, salaries] = await callCloud(
      dynamodb('scan', { TableName: 'orders' }),
      dynamodb('scan', { TableName: 'salaries' }),
    );
    expect(orders?.result).toMatchObject({ Count: 3 });
    expect(salaries?.result).toMatchObject({ Count: 0 });
  });

  it('send and receive SQS messages by the URL that the cloud answered with', async () => {
    const QueueUrl = { $result: [0, 'QueueUrl'] };
    const [found, sent, received] = await callGateway(
      { service: 'sqs', operation: 'get_queue_url', parameters: { QueueName: 'jobs' } },
      { service: 'sqs', operation: 'send_message', parameters: { QueueUrl, MessageBody: 'hello' } },
      { service: 'sqs', operation: 'receive_message', parameters: { QueueUrl } },
    );
    // The URL names the cloud: botocore does not follow it, so that the call comes back to the gateway.
    expect(found?.result).toEqual({ QueueUrl: `${moto.origin}/${MOTO_ACCOUNT}/jobs` });
    expect(sent?.error).toBeUndefined();
    expect(received?.result).toMatchObject({ Messages: [{ Body: 'hello' }] });

    const other = `${moto.origin}/${MOTO_ACCOUNT}/other`;
    const refused = await callGateway(
      {
        service: 'sqs',
        operation: 'send_message',
        parameters: { QueueUrl: other, MessageBody: 'x' },
      },
      { service: 'sqs', operation: 'get_queue_url', parameters: { QueueName: 'other' } },
      { service: 'sqs', operation: 'receive_message', parameters: { QueueUrl: `${other}?jobs` } },
    );
    expect(refused.map(({ code }) => code)).toEqual([
      'resource_outside',
      'resource_outside',
      'request_malformed',
    ]);
    const [unread] = await callCloud({
      service: 'sqs',
      operation: 'receive_message',
      parameters: { QueueUrl: other },
    });
    expect(unread?.result).not.toHaveProperty('Messages');
  });

  it('publish to the SNS topic of the task alone', async () => {
    const publish = (topic: string): Call => ({
      service: 'sns',
      operation: 'publish',
      parameters: { TopicArn: buildArn('sns', topic), Message: 'a & b = c' },
    });
    const text: Call = {
      service: 'sns',
      operation: 'publish',
      parameters: { PhoneNumber: '+15550100', Message: 'x' },
    };
    const [published, ...refused] = await callGateway(publish('alerts'), publish('other'), text);
    expect(published?.result).toHaveProperty('MessageId');
    expect(refused.map(({ code }) => code)).toEqual(['resource_outside', 'resource_outside']);
  });

  it('read the secret of the task, by name and by ARN, and no other one', async () => {
    const read = (SecretId: unknown): Call => ({
      service: 'secretsmanager',
      operation: 'get_secret_value',
      parameters: { SecretId },
    });
    const [byName, byArn, ...refused] = await callGateway(
      read('app/db'),
      read({ $result: [0, 'ARN'] }),
      read('root'),
      read(buildArn('secretsmanager', 'secret:root')),
    );
    expect(byName?.result).toMatchObject({ SecretString: 'of the app' });
    expect(byArn?.result).toMatchObject({ SecretString: 'of the app' });
    expect(refused.map(({ code }) => code)).toEqual(['resource_outside', 'resource_outside']);
  });

  it('put records over HTTP/2 into the Kinesis stream of the task alone, with the SDK for JavaScript', async () => {
    const run = (endpoint: string, credentials: AwsKeys, calls: readonly object[]) =>
      runKinesisCalls(kinesis, {
        config: { endpoint, credentials, region: MOTO_REGION, maxAttempts: 1 },
        calls,
      });
    const put = (StreamName: string, text: string): object => ({
      command: 'PutRecordCommand',
      parameters: { StreamName, Data: Buffer.from(text).toString('base64'), PartitionKey: text },
    });
    const texts = Array.from({ length: 20 }, (_, index) => `click-${index}`);
    const { protocol, outcomes: made } = await run(gateway.endpoint, gateway.keys, [
      ...texts.map((text) => put('clicks', text)),
      { command: 'ListStreamsCommand', parameters: {} },
    ]);
    expect(protocol).toBe('h2');
    expect(made.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(made.at(-1)?.result).toMatchObject({ StreamNames: ['clicks', 'payments'] });

    const { outcomes: refused } = await run(gateway.endpoint, gateway.keys, [
      put('payments', 'x'),
      { command: 'DeleteStreamCommand', parameters: { StreamName: 'clicks' } },
    ]);
    const arn = buildArn('kinesis', 'stream/payments');
    expect(refused.map(({ error }) => error)).toEqual([
      {
        name: 'AccessDenied',
        message: `valetkey: kinesis:PutRecord on ${arn} is outside task orders (resource_outside)`,
      },
      { name: 'AccessDenied', message: expect.stringContaining('(action_outside)') },
    ]);

    const read = (StreamName: string): Call[] => [
      {
        service: 'kinesis',
        operation: 'get_shard_iterator',
        parameters: {
          ...{ StreamName, ShardId: 'shardId-000000000000' },
          ShardIteratorType: 'TRIM_HORIZON',
        },
      },
    ];
    const iterators = await callCloud(...read('clicks'), ...read('payments'));
    const records = await callCloud(
      ...iterators.map(({ result }) => ({
        service: 'kinesis',
        operation: 'get_records',
        parameters: { ShardIterator: result?.['ShardIterator'] },
      })),
    );
    const keys = records.map(({ result }) =>
      (result?.['Records'] as { PartitionKey: string }[]).map(({ PartitionKey }) => PartitionKey),
    );
    expect(keys.map((each) => each.sort())).toEqual([texts.sort(), []]);
  });

  it('report each call with its operation', () => {
    const allowed = outcomes.filter(({ outcome }) => outcome === 'allowed');
    expect(new Set(allowed.map(({ operation }) => operation?.service))).toEqual(
      new Set(['dynamodb', 'sqs', 'sns', 'secretsmanager', 'kinesis']),
    );
  });
});
