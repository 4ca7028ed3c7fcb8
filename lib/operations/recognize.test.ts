import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseRequestTarget } from '../schema/request-target.ts';
import { createRecognizer } from './recognize.ts';
import type { OperationTable } from './table.ts';

type RequestOptions = {
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
};

const readTable = (signingName: string): OperationTable => {
  const file = new URL(`data/${signingName}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as OperationTable;
};

const recognize = (
  signingName: string,
  line: string,
  { headers = {}, form }: RequestOptions = {},
) => {
  const [method = '', text = ''] = line.split(' ');
  const parsed = parseRequestTarget(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return createRecognizer(readTable(signingName))({
    method,
    target: parsed.target,
    headers: new Map(Object.entries(headers)),
    ...(form === undefined ? {} : { form: new Map(Object.entries(form)) }),
  });
};

/** `s3 PutObject`, or the code of a refusal. */
const nameOperation = (...args: Parameters<typeof recognize>): string => {
  const result = recognize(...args);
  return result.ok ? `${result.operation.service} ${result.operation.name}` : result.code;
};

describe('createRecognizer', () => {
  it.each([
    ['GET /', 's3 ListBuckets'],
    ['GET /acme-data', 's3 ListObjects'],
    ['GET /acme-data/', 's3 ListObjects'],
    ['GET /acme-data/?list-type=2', 's3 ListObjectsV2'],
    ['GET /acme-data//', 's3 GetObject'],
    ['DELETE /acme-data/', 's3 DeleteBucket'],
    ['GET /acme-data?list-type=2&prefix=a%2F', 's3 ListObjectsV2'],
    ['GET /acme-data?acl', 's3 GetBucketAcl'],
    ['GET /acme-data/a/b//c.csv', 's3 GetObject'],
    ['GET /acme-data/a?x-id=GetObject&versionId=3', 's3 GetObject'],
    ['GET /acme-data/a?uploadId=3', 's3 ListParts'],
    ['GET /acme-data/a?acl', 's3 GetObjectAcl'],
    ['PUT /acme-data/a', 's3 PutObject'],
    ['PUT /acme-data/a?partNumber=1&uploadId=3', 's3 UploadPart'],
    ['PUT /acme-data?policy', 's3 PutBucketPolicy'],
    ['POST /acme-data?delete', 's3 DeleteObjects'],
    ['POST /acme-data/a?uploads', 's3 CreateMultipartUpload'],
    ['DELETE /acme-data', 's3 DeleteBucket'],
    ['DELETE /acme-data/a', 's3 DeleteObject'],
  ])('recognizes %s of S3 as %s', (line, expected) => {
    expect(nameOperation('s3', line)).toBe(expected);
  });

  it('distinguishes a copy from an upload by its header', () => {
    const headers = { 'x-amz-copy-source': 'other/key' };
    expect(nameOperation('s3', 'PUT /acme-data/a', { headers })).toBe('s3 CopyObject');
    expect(nameOperation('s3', 'PUT /acme-data/a?partNumber=1&uploadId=3', { headers })).toBe(
      's3 UploadPartCopy',
    );
  });

  it.each([
    ['a subresource that only other S3 servers know', 'GET /acme-data?replication-metrics'],
    ['an object operation with a parameter of another', 'PUT /acme-data/a?acl&uploadId=3'],
  ])('does not recognize %s', (_, line) => {
    expect(nameOperation('s3', line)).toBe('operation_unknown');
  });

  it('refuses two subresources as ambiguous', () => {
    expect(nameOperation('s3', 'GET /acme-data?acl&policy')).toBe('operation_ambiguous');
  });

  it('gives the labels of the path, decoded', () => {
    expect(recognize('s3', 'GET /acme-data/reports/a%20b.csv')).toMatchObject({
      operation: { labels: { Bucket: 'acme-data', Key: 'reports/a b.csv' } },
    });
  });

  it.each([
    ['dynamodb', 'DynamoDB_20120810.PutItem', 'dynamodb PutItem'],
    ['dynamodb', 'DynamoDBStreams_20120810.GetRecords', 'dynamodbstreams GetRecords'],
    ['dynamodb', 'DynamoDB_20120810.GetRecords', 'operation_unknown'],
    ['dynamodb', 'PutItem', 'operation_unknown'],
    ['secretsmanager', 'secretsmanager.GetSecretValue', 'secretsmanager GetSecretValue'],
  ])('recognizes the target %s %s as %s', (signingName, target, expected) => {
    const headers = { 'x-amz-target': target, 'content-type': 'application/x-amz-json-1.0' };
    expect(nameOperation(signingName, 'POST /', { headers })).toBe(expected);
    expect(nameOperation(signingName, 'GET /', { headers })).toBe('operation_unknown');
  });

  it('recognizes protocol query by Action and Version, in the query or in the form', () => {
    const form = { Action: 'GetCallerIdentity', Version: '2011-06-15' };
    expect(nameOperation('sts', 'POST /', { form })).toBe('sts GetCallerIdentity');
    const line = 'GET /?Action=GetCallerIdentity&Version=2011-06-15';
    expect(nameOperation('sts', line)).toBe('sts GetCallerIdentity');
    expect(nameOperation('sts', line, { form })).toBe('request_malformed');
    const other = { ...form, Version: '2010-01-01' };
    expect(nameOperation('sts', 'POST /', { form: other })).toBe('operation_unknown');
  });

  it('recognizes protocol smithy-rpc-v2-cbor by its path and header', () => {
    const line = 'POST /service/GraniteServiceVersion20100801/operation/PutMetricData';
    const headers = { 'smithy-protocol': 'rpc-v2-cbor' };
    expect(nameOperation('monitoring', line, { headers })).toBe('cloudwatch PutMetricData');
    expect(nameOperation('monitoring', line)).toBe('operation_unknown');
  });

  it.each([
    ['a target and a form', { 'x-amz-target': 'AmazonSQS.ListQueues' }, 'POST /', true],
    [
      'a target and an Action',
      { 'x-amz-target': 'AmazonSQS.ListQueues' },
      'POST /?Action=A',
      false,
    ],
    [
      'a target and a Smithy protocol',
      { 'x-amz-target': 'AmazonSQS.ListQueues', 'smithy-protocol': 'rpc-v2-cbor' },
      'POST /',
      false,
    ],
  ])('refuses %s: a service could read either', (_, headers, line, hasForm) => {
    const form = { Action: 'DeleteQueue', Version: '2012-11-05' };
    expect(nameOperation('sqs', line, { headers, ...(hasForm ? { form } : {}) })).toBe(
      'request_malformed',
    );
  });

  it.each([
    [
      'sqs',
      'POST /',
      {
        headers: { 'x-amz-target': 'AmazonSQS.SendMessage', 'content-type': 'application/json' },
      },
      'json',
    ],
    ['sns', 'GET /?Action=Publish&Version=2010-03-31', {}, 'query'],
    ['lambda', 'GET /2015-03-31/functions/f/configuration', {}, 'rest'],
  ])('reports the protocol of %s %s', (signingName, line, options, protocol) => {
    expect(recognize(signingName, line, options)).toMatchObject({ operation: { protocol } });
  });

  it.each(['application/x-www-form-urlencoded', 'text/plain', ''])(
    'does not recognize a target with a body of type "%s", where a service could read an Action',
    (type) => {
      const headers = { 'x-amz-target': 'AmazonSQS.ListQueues', 'content-type': type };
      expect(nameOperation('sqs', 'POST /', { headers })).toBe('operation_unknown');
    },
  );

  it('refuses parameters in the query beside a form: a service could read either', () => {
    const form = { Action: 'Publish', Version: '2010-03-31', TopicArn: 'a' };
    expect(nameOperation('sns', 'POST /', { form })).toBe('sns Publish');
    expect(nameOperation('sns', 'POST /?TopicArn=b', { form })).toBe('request_malformed');
  });

  it('lets the User-Agent choose between services that share an operation, and only between them', () => {
    const form = { Action: 'CreateDBInstance', Version: '2014-10-31' };
    const choose = (userAgent: string) =>
      nameOperation('rds', 'POST /', { form, headers: { 'user-agent': userAgent } });
    expect(choose('aws-sdk-js/3 api/docdb#3.0')).toBe('docdb CreateDBInstance');
    expect(choose('aws-sdk-js/3 api/iam#3.0')).toBe('operation_ambiguous');
    expect(choose('')).toBe('operation_ambiguous');
  });

  it('marks an operation that the User-Agent chose', () => {
    const form = { Action: 'CreateDBInstance', Version: '2014-10-31' };
    const headers = { 'user-agent': 'aws-sdk-js/3 api/docdb#3.0' };
    expect(recognize('rds', 'POST /', { form, headers })).toMatchObject({
      operation: { service: 'docdb', isNarrowed: true },
    });
    const single = recognize('sns', 'POST /', {
      form: { Action: 'Publish', Version: '2010-03-31' },
      headers: { 'user-agent': 'aws-sdk-js/3 api/sns#3.0' },
    });
    expect(single).not.toHaveProperty('operation.isNarrowed');
  });

  it('takes an encoded slash for a part of a label, unless another operation is possible', () => {
    const arn = 'arn%3Aaws%3Aappsync%3Aeu-central-1%3A111122223333%3Aapis%2Fabc';
    expect(recognize('appsync', `GET /v1/tags/${arn}`)).toMatchObject({
      operation: {
        name: 'ListTagsForResource',
        labels: { resourceArn: 'arn:aws:appsync:eu-central-1:111122223333:apis/abc' },
      },
    });
    expect(nameOperation('lambda', 'GET /2015-03-31/functions/f%2Fconfiguration')).toBe(
      'operation_ambiguous',
    );
  });

  it.each([
    ['lambda', 'GET /2015-03-31/functions/%2E%2E'],
    ['lambda', 'GET /2015-03-31/functions/x/../f/configuration'],
    ['s3', 'GET /acme-data%2Fa'],
  ])('does not recognize a path that can be resolved: %s %s', (signingName, line) => {
    expect(nameOperation(signingName, line)).toBe('operation_unknown');
  });

  it('prefers a literal segment to a label within a service', () => {
    expect(nameOperation('lambda', 'GET /2015-03-31/functions/f/configuration')).toBe(
      'lambda GetFunctionConfiguration',
    );
  });
});
