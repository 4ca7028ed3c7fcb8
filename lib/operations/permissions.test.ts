import { describe, expect, it } from '@jest/globals';
import {
  buildArn,
  jsonCall,
  listNeeds,
  readTable,
  type Call,
} from '../../test/kit/operation-calls.ts';
import { listPermissions } from './permissions.ts';

const get = (signingName: string, path: string): Call => ({ signingName, line: `GET ${path}` });
const json = (signingName: string, target: string, body: unknown = {}): Call =>
  jsonCall(signingName, target, body);

describe('listPermissions', () => {
  it.each<[string, Call, string[]]>([
    ['an object of S3', get('s3', '/acme-data/a'), ['s3:GetObject arn:aws:s3:::acme-data/a']],
    [
      'another name of the action',
      json('sqs', 'AmazonSQS.SendMessageBatch', { QueueUrl: 'https://h/111122223333/jobs' }),
      [`sqs:SendMessage ${buildArn('sqs', 'jobs')}`],
    ],
    [
      'an action without resources',
      json('monitoring', 'GraniteServiceVersion20100801.ListDashboards'),
      ['cloudwatch:ListDashboards *'],
    ],
    [
      'a template by name',
      json('firehose', 'Firehose_20150804.PutRecord', { DeliveryStreamName: 'clicks' }),
      [`firehose:PutRecord ${buildArn('firehose', 'deliverystream/clicks')}`],
    ],
    [
      'a template by name, which got an ARN',
      json('firehose', 'Firehose_20150804.PutRecord', {
        DeliveryStreamName: buildArn('firehose', 'deliverystream/clicks'),
      }),
      [`firehose:PutRecord ${buildArn('firehose', 'deliverystream/clicks')}`],
    ],
    [
      'a template by ARN',
      get('appsync', `/v1/tags/${encodeURIComponent(buildArn('appsync', 'apis/abc'))}`),
      [`appsync:ListTagsForResource ${buildArn('appsync', 'apis/abc')}`],
    ],
    [
      'a template with the account of the request',
      json('ecr', 'AmazonEC2ContainerRegistry_V20150921.DeleteRepository', {
        repositoryName: 'team/app',
        registryId: '999988887777',
      }),
      ['ecr:DeleteRepository arn:aws:ecr:eu-central-1:999988887777:repository/team/app'],
    ],
    [
      'the account of the role where the request says none',
      json('ecr', 'AmazonEC2ContainerRegistry_V20150921.DeleteRepository', {
        repositoryName: 'team/app',
      }),
      [`ecr:DeleteRepository ${buildArn('ecr', 'repository/team/app')}`],
    ],
    [
      'a name that the service stores in another case',
      json('glue', 'AWSGlue.GetTable', { DatabaseName: 'a', Name: 'b' }),
      ['glue:GetTable unresolved'],
    ],
    [
      'a path of API Gateway',
      get('apigateway', '/restapis/a1/resources'),
      ['apigateway:GET arn:aws:apigateway:eu-central-1::/restapis/a1/resources'],
    ],
    [
      'a path of API Gateway, version 2',
      get('apigateway', '/v2/apis/a1/routes'),
      ['apigateway:GET arn:aws:apigateway:eu-central-1::/apis/a1/routes'],
    ],
    [
      'an operation without action',
      json('logs', 'Logs_20140328.GetLogObject'),
      ['operation_unmapped'],
    ],
  ])('reads %s', (_, call, expected) => {
    expect(listNeeds(call)).toEqual(expected);
  });

  const put = (DeliveryStreamName: unknown): Call =>
    json('firehose', 'Firehose_20150804.PutRecord', { DeliveryStreamName });

  it.each([
    ['an ARN of another kind', buildArn('firehose', 'stream/clicks')],
    ['an ARN of another service', buildArn('kinesis', 'deliverystream/clicks')],
    ['an ARN of another region', 'arn:aws:firehose:us-east-1:111122223333:deliverystream/clicks'],
    ['an ARN without region', 'arn:aws:firehose::111122223333:deliverystream/clicks'],
    [
      'an ARN of another partition',
      'arn:aws-cn:firehose:eu-central-1:111122223333:deliverystream/c',
    ],
    ['an ARN with a wildcard', buildArn('firehose', 'deliverystream/*')],
    ['a wildcard', 'cl?cks'],
    ['a dot segment', 'a/../b'],
    ['an empty segment', 'a//b'],
    ['a leading slash', '/clicks'],
    ['white space at the end', 'clicks '],
    ['a control character', 'clicks\u0000'],
    ['a line break at the end', 'clicks\n'],
    ['a character that readers normalize', 'cli\u0301cks'],
    ['a full-width character', '\uff43licks'],
    ['what can be decoded again', '%63licks'],
    ['what can be cut off', 'clicks;x=y'],
    ['nothing', ''],
    ['null', null],
    ['a number', 7],
    ['a list', ['clicks']],
  ])('refuses %s as a name', (_, name) => {
    expect(listNeeds(put(name))).toEqual(['request_malformed']);
  });

  it('leaves a name with a colon to the session policy: services split it in ways of their own', () => {
    expect(listNeeds(put('clicks:1'))).toEqual(['firehose:PutRecord unresolved']);
  });

  it.each(['text/plain', 'application/xml'])(
    'refuses a body of %s in protocol query, even where no resource is read',
    (type) => {
      const line = 'POST /?Action=ListTopics&Version=2010-03-31';
      const call = { signingName: 'sns', line, headers: { 'content-type': type } };
      expect(listNeeds(call)).toEqual(['sns:ListTopics *']);
      expect(listNeeds({ ...call, body: 'Action=DeleteTopic' })).toEqual(['request_malformed']);
    },
  );

  it('refuses an account that is none', () => {
    const call = json('ecr', 'AmazonEC2ContainerRegistry_V20150921.DeleteRepository', {
      repositoryName: 'app',
      registryId: 'acme',
    });
    expect(listNeeds(call)).toEqual(['request_malformed']);
  });

  it('names operation and member in a refusal, and no value', () => {
    const table = readTable('firehose');
    const result = listPermissions(table, {
      operation: { protocol: 'json', service: 'firehose', name: 'PutRecord', labels: {} },
      request: {
        method: 'POST',
        target: { path: '/', decodedPath: '/', parameters: new Map() },
        headers: new Map([['content-type', 'application/x-amz-json-1.1']]),
      },
      body: Buffer.from('{"DeliveryStreamName":"secret*name"}'),
      partition: 'aws',
      region: 'eu-central-1',
      account: '111122223333',
    });
    expect(result).toEqual({
      ok: false,
      code: 'request_malformed',
      message: 'firehose PutRecord: expected a name in body.DeliveryStreamName',
    });
  });
});
