import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text as readText } from 'node:stream/consumers';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPair, SignJWT } from 'jose';

import { EVENT_REQUEST_ANNOTATION, SIDECAR_CONTAINER } from '../../../lib/contract/names.ts';
import type { OtlpSpan } from '../../../test/kit/otlp-spans.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { readLogs, runKubectl } from '../../cluster/kubectl.ts';
import { removeReceivedSpans, startCollector, type Collector } from '../../collector-server.ts';
import { buildChartValues, installRelease } from '../../release.ts';
import { waitForEvent, waitForRecord } from '../authority/audit-records.ts';
import { toEpochSeconds } from '../authority/forged-tokens.ts';
import { serveOnNode, type NodeServer } from '../gateway/upstream-objects.ts';
import { readExchangeToken } from '../node-access.ts';
import { createSecretSearch } from '../node-search.ts';
import {
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  getAgentRole,
  readReports,
  recordSecrets,
  runPod,
  testContext,
  type CredentialKeys,
  type PodRef,
} from '../test-context.ts';

const { node, release } = testContext;
if (node === undefined)
  throw new Error('expected a cluster on this machine: a collector runs on it');

/** No name of a span contains it. */
const TASK = 'quarterly-figures';
const tasks = { [TASK]: readReports };

/** The attributes that docs/logs.md lists. */
const ATTRIBUTES = [
  'error.type',
  'http.request.method',
  'http.response.status_code',
  'http.route',
  'valetkey.request_id',
];

type StsCall = { readonly traceparent: string | undefined; readonly grant: string };

/** An STS on the node that records what reaches the cloud's own, to which it forwards. */
const startRecordingSts = async (): Promise<
  NodeServer & { readonly calls: readonly StsCall[] }
> => {
  const calls: StsCall[] = [];
  const forward = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url = '/', method = 'POST', headers } = request;
    const body = await readText(request);
    const grant = new URLSearchParams(body).get('WebIdentityToken') ?? '';
    calls.push({ traceparent: headers['traceparent']?.toString(), grant });
    const answer = await fetch(new URL(url, cloud.stsEndpoint), {
      method,
      headers: { 'content-type': headers['content-type'] ?? '' },
      body,
    });
    response.writeHead(answer.status, { 'content-type': 'text/xml' }).end(await answer.text());
  };
  const server = createServer((request, response) => {
    forward(request, response).catch(() => response.destroy());
  });
  return { ...(await serveOnNode(server)), calls };
};

type LogLine = Readonly<Record<string, unknown>>;

const parseLines = (text: string): readonly LogLine[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);

const readSidecarLines = async (place: PodRef): Promise<readonly LogLine[]> =>
  parseLines(await readLogs(cluster, { ...place, container: SIDECAR_CONTAINER }));

const readReplicaLines = async (
  component: 'authority' | 'webhook',
): Promise<readonly LogLine[]> => {
  const where = ['-n', release.namespace, '-l', `app.kubernetes.io/component=${component}`];
  const { stdout } = await runKubectl(cluster, ['logs', ...where, '--tail=-1']);
  return parseLines(stdout).filter(({ program }) => program === component);
};

/** Waits for a line: a container's log lags slightly behind its output. */
const waitForLine = (read: () => Promise<readonly LogLine[]>, wanted: LogLine): Promise<LogLine> =>
  waitFor(`a line with ${JSON.stringify(wanted)}`, async () => {
    const lines = await read();
    return lines.find((line) =>
      Object.entries(wanted).every(([key, value]) => line[key] === value),
    );
  });

/** A span and those above it, up to the first of the trace. */
const listAncestors = (trace: readonly OtlpSpan[], span: OtlpSpan): readonly OtlpSpan[] => {
  const parent = trace.find(({ spanId }) => spanId === span.parentSpanId);
  return parent === undefined ? [span] : [span, ...listAncestors(trace, parent)];
};

const findSpan = (trace: readonly OtlpSpan[], wanted: string): OtlpSpan => {
  const span = trace.find(({ name }) => name === wanted);
  if (span === undefined)
    throw new Error(`expected ${wanted}, got ${trace.map(({ name }) => name).join(', ')}`);
  return span;
};

const describeSpan = ({ service, name }: OtlpSpan): string => `${service}: ${name}`;

/** Of an issuer that the platform does not know. */
const createForeignUserToken = async (): Promise<string> => {
  const { privateKey } = await generateKeyPair('ES256');
  return new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: 'foreign' })
    .setIssuer('https://other.example')
    .setSubject('ada@example.com')
    .setAudience('other.example')
    .setIssuedAt(toEpochSeconds())
    .setExpirationTime(toEpochSeconds(300))
    .sign(privateKey);
};

describe(`traces that a real collector receives (${cloud.name})`, () => {
  const place: PodRef = { namespace: '', pod: 'observed-agent' };
  let collector: Collector;
  let sts: Awaited<ReturnType<typeof startRecordingSts>>;
  let keys: CredentialKeys;
  let userToken: string;

  beforeAll(async () => {
    removeReceivedSpans(node);
    collector = await startCollector(node);
    sts = await startRecordingSts();
    const values = buildChartValues(testContext);
    await installRelease(testContext, release, {
      ...values,
      cloud: { ...values.cloud, stsEndpoint: sts.origin },
      tracing: { endpoint: collector.endpoint, samplerRatio: 1, sidecars: true },
    });
    userToken = await createForeignUserToken();
    recordSecrets(userToken);
    place.namespace = await createNamespace('traced');
    await runPod({ name: place.pod, namespace: place.namespace, tasks });
    const path = `/v1/tasks/${TASK}/credentials`;
    const answer = await callSidecarWithRetry<CredentialKeys>(place, 'GET', path);
    expect(answer.status).toBe(200);
    keys = answer.body;
  });

  afterAll(async () => {
    await installRelease(testContext, release, buildChartValues(testContext));
    await sts.close();
    await collector.stop();
  });

  const startRun = (body: object) =>
    callSidecarWithRetry(place, 'POST', `/v1/tasks/${TASK}/runs`, body);

  /** Waits until the first span of a request's trace has arrived, and the request's own. */
  const waitForTrace = (requestId: unknown): Promise<readonly OtlpSpan[]> =>
    waitFor(`the trace of request ${String(requestId)}`, () => {
      const spans = collector.readSpans();
      const own = spans.find(({ attributes }) => attributes['valetkey.request_id'] === requestId);
      const trace = spans.filter(({ traceId }) => traceId === own?.traceId);
      return trace.some(({ parentSpanId }) => parentSpanId === '') && trace;
    });

  it('lead from the sidecar through the authority to STS, one trace for one request', async () => {
    const started = await waitForLine(() => readSidecarLines(place), { message: 'run started' });
    const trace = await waitForTrace(started['request']);
    const call = findSpan(trace, 'sts.assume_role');
    expect(listAncestors(trace, call).map(describeSpan)).toEqual([
      'valetkey-authority: sts.assume_role',
      'valetkey-authority: exchange.issue',
      'valetkey-authority: POST /v1/token',
      'valetkey-sidecar: sidecar.exchange',
    ]);
    const first = trace.filter((span) => listAncestors(trace, span).at(-1)?.parentSpanId === '');
    expect(first).toEqual(trace);
    const names = new Set(trace.map(({ name }) => name));
    for (const step of ['verify_token', 'identify_workload', 'decide', 'record'])
      expect(names).toContain(`exchange.${step}`);
    expect(sts.calls.map(({ traceparent }) => traceparent)).toContain(
      `00-${call.traceId}-${call.spanId}-01`,
    );
    const sent = collector.readSpans().filter(({ service }) => service === 'valetkey-sidecar');
    expect(sent.map(({ traceId }) => traceId)).toEqual([call.traceId]);
  });

  it('have the request ID that the log lines and the record of the run have', async () => {
    const { request, run } = await waitForLine(() => readSidecarLines(place), {
      message: 'run started',
    });
    const issued = { message: 'run issued', run, request };
    await waitForLine(() => readReplicaLines('authority'), issued);
    const record = await waitForRecord(
      'the run',
      ({ session, unmapped: { kind } }) => kind === 'run.issued' && session?.uid === run,
    );
    expect(record.metadata.correlation_uid).toBe(request);
    const server = findSpan(await waitForTrace(request), 'POST /v1/token');
    expect(server.attributes).toMatchObject({
      'http.response.status_code': 200,
      'valetkey.request_id': request,
    });
  });

  it('have the request ID that log lines, record and Event of a refusal have', async () => {
    const code = 'user_token_issuer';
    expect(await startRun({ userToken })).toMatchObject({ body: { Code: code } });
    const { message, metadata } = await waitForEvent(place, code);
    const request = metadata.annotations?.[EVENT_REQUEST_ANNOTATION] ?? '';
    expect(request).not.toBe('');
    expect(message.endsWith(` (request ${request})`)).toBe(true);
    const record = await waitForRecord(
      `request ${request}`,
      ({ metadata: { correlation_uid: id } }) => id === request,
    );
    expect(record).toMatchObject({ status_code: code, unmapped: { kind: 'run.refused' } });
    const refused = { message: 'exchange refused', code, request };
    await waitForLine(() => readSidecarLines(place), refused);
    const reason = { message: 'run refused', reason: code, request };
    await waitForLine(() => readReplicaLines('authority'), reason);
    const trace = await waitForTrace(request);
    expect(findSpan(trace, 'POST /v1/token').attributes).toMatchObject({
      'http.response.status_code': 400,
    });
    expect(findSpan(trace, 'sidecar.exchange').attributes).toEqual({ 'error.type': code });
  });

  it('show the admission of a pod, with the uid of its review', async () => {
    const admitted = { message: 'admission answered', outcome: 'patched', name: place.pod };
    const line = await waitForLine(() => readReplicaLines('webhook'), {
      ...{ ...admitted, namespace: place.namespace },
    });
    const trace = await waitForTrace(line['request']);
    expect(listAncestors(trace, findSpan(trace, 'admission.evaluate')).map(describeSpan)).toEqual([
      'valetkey-webhook: admission.evaluate',
      'valetkey-webhook: POST /mutate',
    ]);
  });

  it('hold no secret, and no name of a pod, a task, a role or a resource', async () => {
    const [found] = collector.readSpans();
    const search = createSecretSearch([
      { name: 'exchange token', text: await readExchangeToken(node, place) },
      ...sts.calls.map(({ grant }) => ({ name: 'grant', text: grant })),
      { name: 'user token', text: userToken },
      { name: 'access key ID', text: keys.AccessKeyId },
      { name: 'secret key', text: keys.SecretAccessKey },
      { name: 'session token', text: keys.Token },
      { name: 'pod', text: place.pod },
      { name: 'namespace', text: place.namespace },
      { name: 'task', text: TASK },
      { name: 'role', text: getAgentRole() },
      { name: 'bucket', text: 'acme-data' },
      // So that the search is known to find what is there.
      { name: 'trace', text: found?.traceId ?? '' },
    ]);
    expect(sts.calls.every(({ grant }) => grant.startsWith('eyJ'))).toBe(true);
    expect(new Set(search.findSecrets(collector.readText()))).toEqual(new Set(['trace']));
    const names = collector.readSpans().flatMap(({ attributes }) => Object.keys(attributes));
    expect([...new Set(names)].toSorted()).toEqual(ATTRIBUTES);
  });

  it('are dropped while the collector is stopped: pods start and get credentials', async () => {
    await collector.stop();
    expect(await startRun({})).toMatchObject({ status: 201 });
    await runPod({ name: 'later', namespace: place.namespace, tasks });
    await expectRead({ ...place, pod: 'later' });
  });

  it('arrive again once the collector runs', async () => {
    collector = await startCollector(node);
    const { body } = await startRun({});
    const run = { message: 'run started', run: body['run'] };
    const { request } = await waitForLine(() => readSidecarLines(place), run);
    const services = (await waitForTrace(request)).map(({ service }) => service);
    expect(new Set(services)).toEqual(new Set(['valetkey-sidecar', 'valetkey-authority']));
  });
});
