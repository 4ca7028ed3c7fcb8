import { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { describe, expect, it } from '@jest/globals';
import { CALL_REFUSALS, type CallRefusalCode } from './call-refusals.ts';
import { chooseErrorFormat, renderRefusal, type ErrorFormat } from './refusal-rendering.ts';

const MESSAGE = 's3:GetObject on arn:aws:s3:::acme-data/<a>&"b" is outside task summarize';

const render = (code: CallRefusalCode, format: ErrorFormat, isHead = false) =>
  renderRefusal({ code, message: MESSAGE }, { format, requestId: 'call-1', isHead });

/** Options of an SDK client that gets this response to its only attempt. */
const buildClientOptions = (code: CallRefusalCode, format: ErrorFormat, isHead = false) => {
  const { status, headers, body } = render(code, format, isHead);
  const response = { statusCode: status, headers, body: Readable.from([body]) };
  return {
    region: 'eu-central-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
    maxAttempts: 1,
    requestHandler: { handle: () => Promise.resolve({ response }) },
  };
};

const catchError = async (call: Promise<unknown>): Promise<Record<string, unknown>> => {
  try {
    await call;
  } catch (error) {
    return error as Record<string, unknown>;
  }
  throw new Error('expected the SDK to throw, it returned');
};

const codes = Object.keys(CALL_REFUSALS) as CallRefusalCode[];

describe('renderRefusal', () => {
  it.each(codes)('is thrown by the S3 client with our code in its message: %s', async (code) => {
    const client = new S3Client(buildClientOptions(code, 's3'));
    const error = await catchError(client.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' })));
    expect(error).toMatchObject({
      name: CALL_REFUSALS[code].awsCode,
      message: `valetkey: ${MESSAGE} (${code})`,
      $metadata: { httpStatusCode: CALL_REFUSALS[code].status },
    });
  });

  it('is thrown by the STS client, whose protocol is query', async () => {
    const client = new STSClient(buildClientOptions('action_outside', 'query'));
    const error = await catchError(client.send(new GetCallerIdentityCommand({})));
    expect(error).toMatchObject({
      name: 'AccessDenied',
      message: `valetkey: ${MESSAGE} (action_outside)`,
    });
  });

  it('has no body for HEAD, but the status and the code in a header', async () => {
    expect(render('resource_outside', 's3', true).body).toHaveLength(0);
    const client = new S3Client(buildClientOptions('resource_outside', 's3', true));
    const error = await catchError(client.send(new HeadObjectCommand({ Bucket: 'b', Key: 'k' })));
    expect(error).toMatchObject({ $metadata: { httpStatusCode: 403 } });
    expect(render('resource_outside', 's3', true).headers).toMatchObject({
      'x-valetkey-code': 'resource_outside',
    });
  });

  it('writes JSON with the type in the body and in the header', () => {
    const { body, headers } = render('run_ended', 'json');
    expect(JSON.parse(body.toString())).toEqual({
      __type: 'ExpiredToken',
      message: `valetkey: ${MESSAGE} (run_ended)`,
    });
    expect(headers).toMatchObject({ 'x-amzn-errortype': 'ExpiredToken' });
  });

  it('writes a CBOR map of type and message', () => {
    const text = `valetkey: ${MESSAGE} (run_ended)`;
    const { body } = render('run_ended', 'cbor');
    expect(body[0]).toBe(0xa2);
    expect(body.subarray(1, 8).toString('latin1')).toBe('\x66__type');
    const message = Buffer.from(
      `\x67message\x78${String.fromCharCode(text.length)}${text}`,
      'latin1',
    );
    expect(body.subarray(-message.length).equals(message)).toBe(true);
  });

  it('asks for another attempt where one can succeed', () => {
    expect(render('overloaded', 's3').headers).toMatchObject({ 'retry-after': '1' });
    expect(render('action_outside', 's3').headers).not.toHaveProperty('retry-after');
  });

  it('names the call in the gateway’s log', () => {
    expect(render('action_outside', 's3').headers).toMatchObject({
      'x-valetkey-refusal': 'call-1',
      'x-amzn-requestid': 'call-1',
    });
  });

  it('writes JSON as CBOR for the SDKs that send it so', () => {
    const { headers, body } = render('run_ended', 'json-in-cbor');
    expect(headers).toMatchObject({ 'content-type': 'application/x-amz-cbor-1.1' });
    expect(body).toEqual(render('run_ended', 'cbor').body);
  });
});

describe('chooseErrorFormat', () => {
  const sign = (service: string) => ({
    authorization: `AWS4-HMAC-SHA256 Credential=VALETKEYA/20260101/eu-central-1/${service}/aws4_request`,
  });
  const form = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };

  it.each([
    ['s3', sign('s3'), '/acme-data/a', 's3'],
    ['S3 Control', sign('s3'), '/v20180820/jobs', 'query'],
    ['ec2', { ...sign('ec2'), ...form }, '/', 'ec2'],
    ['query in a form', { ...sign('sts'), ...form }, '/', 'query'],
    ['query in the URL', sign('sts'), '/?Action=GetCallerIdentity&Version=2011-06-15', 'query'],
    ['rest-xml', sign('route53'), '/2013-04-01/hostedzone', 'query'],
    ['json', { ...sign('kms'), 'content-type': 'application/x-amz-json-1.1' }, '/', 'json'],
    ['rest-json', sign('lambda'), '/2015-03-31/functions', 'json'],
    ['cbor', { ...sign('monitoring'), 'smithy-protocol': 'rpc-v2-cbor' }, '/service/x', 'cbor'],
    [
      'json in CBOR',
      { ...sign('kinesis'), 'content-type': 'application/x-amz-cbor-1.1' },
      '/',
      'json-in-cbor',
    ],
    ['no signature', {}, '/', 's3'],
  ])('chooses for %s', (_, headers, url, expected) => {
    expect(chooseErrorFormat(headers, url)).toBe(expected);
  });
});
