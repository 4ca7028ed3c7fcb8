import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { EndedCall } from '../lib/calls/ended-call.ts';
import { parseRequestTarget } from '../lib/schema/request-target.ts';
import { parseAuthorization } from '../lib/signing/authorization.ts';
import { createTextSigner } from '../lib/signing/signing-keys.ts';
import { verifyRequest } from '../lib/signing/verify.ts';
import { anyConnection, anyHttp2Connection } from './call-arbitraries.ts';
import {
  CLOUD_KEYS,
  NOW_MS,
  startGatewayHarness,
  type GatewayHarness,
  type Trace,
} from './gateway-harness.ts';
import { createProperty, type Property } from './property.ts';
import type { CloudRequest } from './strict-cloud.ts';

const signText = createTextSigner();

/** @returns the signing name, of a request that is signed with the cloud's keys, whole */
const checkSigned = ({ method, target, headers, body }: CloudRequest): string => {
  const parsed = parseRequestTarget(target);
  const result = parseAuthorization(headers.get('authorization') ?? '');
  assert.ok(parsed.ok && result.ok, `unreadable: ${target}`);
  const { authorization } = result;
  const hash = createHash('sha256').update(body).digest('hex');
  const payloadHash = headers.get('x-amz-content-sha256') ?? hash;
  const request = { method, target: parsed.target, headers };
  const verification = { request, authorization, keys: CLOUD_KEYS, payloadHash, nowMs: NOW_MS };
  assert.equal(verifyRequest(verification, signText), undefined);
  if (/^[0-9a-f]{64}$/.test(payloadHash)) {
    // The cloud itself refuses a body that is not the signed one; it must be the client's own fault.
    assert.ok(payloadHash === hash || authorization.scope.service === 's3');
  }
  return authorization.scope.service;
};

/** Nothing of a connection, of a proxy or of another server's API. */
const PASSED =
  /^(?:accept|authorization|cache-control|connection|content-[a-z0-9-]+|expires|host|if-[a-z-]+|range|smithy-protocol|user-agent|x-amzn?-[a-z0-9-]+)$/;

const checkHeaders = ({ headers }: CloudRequest): void => {
  for (const [name, value] of headers) {
    assert.match(name, PASSED);
    assert.ok(!value.includes('VALETKEY'), `a local key in ${name}`);
  }
  assert.ok(/^(?:keep-\w+|close)$/.test(headers.get('connection') ?? 'close'));
};

/** Keys as S3 reads them, and as servers do that clean paths or take a plus for a space. */
const readObject = (path: string): readonly string[] => {
  const slash = path.indexOf('/', 1);
  const [bucket, key] = [path.slice(0, slash), path.slice(slash + 1)];
  const cleaned = key.startsWith('/') ? posix.normalize(key).slice(1) : key;
  return [`${bucket}/${key}`, `${bucket}/${cleaned}`];
};

const READABLE = /^\/(?:acme-data\/(?:reports\/[^]*|[^]*\/public\/[^]*)|team-[a-z0-9.-]*\/open)$/;
const WRITABLE = /^\/acme-data\/reports\//;

const checkCopySource = (source: string): void => {
  for (const text of [source, source.replaceAll('+', ' ')]) {
    const decoded = decodeURIComponent(text.split('?', 1)[0] ?? '').replace(/^\/?/, '/');
    for (const object of readObject(decoded)) assert.match(object, READABLE);
  }
};

const checkDeleted = (body: Buffer): void => {
  const text = body.toString();
  assert.doesNotMatch(text, /<!|\r|encoding="(?!utf-8")/i);
  const keys = [...text.matchAll(/<Key>([^<]*)</g)].map(([, key = '']) => key);
  assert.ok(keys.length > 0);
  for (const key of keys) assert.match(`/acme-data/${key}`, WRITABLE);
};

const SUBRESOURCES = /^(?:acl|policy|tagging|uploads|restore|attributes|versionId|select)$/;

const checkS3 = ({ method, target, headers, body }: CloudRequest): void => {
  const parsed = parseRequestTarget(target);
  assert.ok(parsed.ok);
  const { decodedPath, parameters } = parsed.target;
  assert.equal(headers.get('x-amz-meta-snowball-auto-extract'), undefined);
  for (const name of parameters.keys()) assert.doesNotMatch(name, SUBRESOURCES);
  if (parameters.has('delete')) {
    checkDeleted(body);
    return;
  }
  const isBucket = /^\/acme-data\/?$/.test(decodedPath) && ['GET', 'HEAD'].includes(method);
  if (isBucket) return;
  const allowed = ['GET', 'HEAD'].includes(method) ? READABLE : WRITABLE;
  for (const object of readObject(decodedPath)) assert.match(object, allowed);
  for (const name of ['x-amz-acl', 'x-amz-tagging', 'x-amz-object-lock-mode', 'x-amz-grant-read']) {
    assert.ok(method !== 'PUT' || parameters.has('uploadId') || !headers.has(name), name);
  }
  const source = headers.get('x-amz-copy-source');
  if (source !== undefined) checkCopySource(source);
};

/** Every reading of a body with names or fields that are given twice. */
const checkRpc = (service: string, { target, headers, body }: CloudRequest): void => {
  const text = body.toString();
  if (service === 'dynamodb') {
    assert.match(headers.get('x-amz-target') ?? '', /^DynamoDB_20120810\.(?:Get|Put)Item$/);
    const names: unknown[] = [];
    JSON.parse(text, (name, value: unknown) => {
      if (name.toLowerCase() === 'tablename') names.push(value);
      return value;
    });
    assert.deepEqual(names, ['orders']);
    assert.ok(!text.includes('secret'));
  } else if (service === 'sqs') {
    const fields = new URLSearchParams(text);
    assert.deepEqual(fields.getAll('Action'), ['SendMessage']);
    assert.equal(fields.getAll('QueueUrl').length, 1);
  } else {
    assert.equal(service, 'monitoring');
    assert.match(target, /\/PutMetricData(?:\?|$)/);
  }
};

/** What was decided on, in the words of the request that the cloud must have got for it. */
const describeDecided = ({ operation, permissions }: EndedCall): string => {
  if (operation?.service !== 's3') return operation?.name ?? '';
  const resource = permissions[0]?.resource?.replace(/^arn:aws:s3:::/, '/') ?? '';
  if (operation.name === 'DeleteObjects') return resource.replace(/^(\/[^/]+)[^]*$/, '$1');
  return resource === '*' ? '/' : resource;
};

const describeReceived = ({ target, headers, body }: CloudRequest, service: string): string => {
  const path = decodeURIComponent(target.split('?', 1)[0] ?? '');
  if (service === 's3') return path.replace(/^(\/[^/]+)\/$/, '$1');
  return service === 'sqs'
    ? (new URLSearchParams(body.toString()).get('Action') ?? '')
    : (headers.get('x-amz-target')?.split('.')[1] ?? path.split('/').at(-1) ?? '');
};

const checkRequests = ({ requests, outcomes, faults }: Trace): void => {
  assert.deepEqual(faults, []);
  const received = requests.map((request) => {
    const service = checkSigned(request);
    checkHeaders(request);
    if (service === 's3') checkS3(request);
    else checkRpc(service, request);
    return describeReceived(request, service);
  });
  const begun = outcomes.filter(({ outcome }) => outcome !== 'refused');
  for (const call of begun.filter(({ outcome }) => outcome === 'allowed')) {
    assert.ok(received.includes(describeDecided(call)), `not received: ${describeDecided(call)}`);
  }
  const decided = begun.map(describeDecided);
  for (const each of received) {
    const at = decided.indexOf(each);
    assert.ok(at >= 0, `received without a decision: ${each}`);
    decided.splice(at, 1);
  }
};

/** Reads responses as a client on one connection does: nothing may be left over between them. */
const checkResponses = ({ received, outcomes }: Trace): void => {
  for (const secret of Object.values(CLOUD_KEYS)) assert.ok(!received.includes(secret));
  let text = received.toString('latin1');
  let count = 0;
  // SETTINGS and GOAWAY of HTTP/2 begin with a zero; the connection is closed after them.
  while (text !== '' && !text.startsWith('\0')) {
    const head = /^HTTP\/1\.1 ([1-5][0-9]{2}) [^\r\n]*\r\n([^]*?\r\n)?\r\n/.exec(text);
    assert.ok(head !== null, `no response: ${JSON.stringify(text.slice(0, 80))}`);
    // Node's own 417 is an empty body in chunks.
    const isChunked = /^transfer-encoding: chunked\r$/im.test(head[0]);
    const length = Number(/^content-length: (\d+)\r$/im.exec(head[0])?.[1] ?? (isChunked ? 5 : 0));
    text = text.slice(head[0].length);
    assert.ok(text.length >= length, 'a response is cut');
    text = text.slice(length);
    if (!['100', '417'].includes(head[1] ?? '')) count += 1;
  }
  // One more for bytes that are no request of HTTP.
  assert.ok(count <= outcomes.length + 1);
};

/** Of HTTP/2 the frames are not read: requests do not follow one another. */
const checkSecrets = ({ received }: Trace): void => {
  for (const secret of Object.values(CLOUD_KEYS)) assert.ok(!received.includes(secret));
};

let started: Promise<GatewayHarness> | undefined;

const close = async (): Promise<void> => {
  await (await started)?.close();
  started = undefined;
};

const passesOnlyWhatWasDecided: Property = {
  ...createProperty(
    'any bytes to the gateway: a refusal, or one well-formed request to the cloud, which was decided on',
    {
      runs: 1_500,
      inputs: anyConnection,
      holds: async (pieces) => {
        started ??= startGatewayHarness();
        const trace = await (await started).exchange(pieces);
        checkRequests(trace);
        checkResponses(trace);
      },
    },
  ),
  close,
};

const passesOnlyWhatWasDecidedOverHttp2: Property = {
  ...createProperty(
    'any frames of HTTP/2 to the gateway: a refusal, or one well-formed request to the cloud, which was decided on',
    {
      runs: 1_000,
      inputs: anyHttp2Connection,
      holds: async (pieces) => {
        started ??= startGatewayHarness();
        const trace = await (await started).exchange(pieces);
        checkRequests(trace);
        checkSecrets(trace);
      },
    },
  ),
  close,
};

export const gatewayProperties: readonly Property[] = [
  passesOnlyWhatWasDecided,
  passesOnlyWhatWasDecidedOverHttp2,
];
