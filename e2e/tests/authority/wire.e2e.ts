import { connect } from 'node:tls';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from '@jest/globals';
import { execInPod } from '../../cluster/kubectl.ts';
import { cloud, cluster, testContext } from '../test-context.ts';
import {
  sendOne,
  sendAll,
  buildPost,
  parseTokenError,
  listReplicas,
} from './authority-requests.ts';
import type { HttpsRequest } from './authority-requests.ts';
import { recordSeconds } from './revocation-objects.ts';

const form = 'application/x-www-form-urlencoded';
const details = JSON.stringify([{ type: 'valetkey.dev/task', task: 'read', consumer: 'agent' }]);
const fields = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token: 'a.b.c',
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  authorization_details: details,
};
const buildFormWithout = (name: keyof typeof fields) =>
  Object.fromEntries(Object.entries(fields).filter(([each]) => each !== name));

const buildRawRequest = (
  body: string,
  type = form,
  headers: Record<string, string> = {},
): HttpsRequest => ({
  method: 'POST',
  path: '/v1/token',
  headers: { 'content-type': type, ...headers },
  body,
});

const million = JSON.stringify(Array.from({ length: 1_000_000 }, () => 0));
const megabytes = 'x'.repeat(20 * 1024 * 1024);
const twice = `${new URLSearchParams(fields).toString()}&subject_token=d.e.f`;
const nested = '['.repeat(10_000);

/** Malformed request, the expected status and error, and what the message names. */
const CASES: [string, HttpsRequest, number, string, string][] = [
  ['no field at all', buildPost('/v1/token', {}), 400, 'request_malformed', 'grant_type'],
  [
    'another grant type',
    buildPost('/v1/token', { ...fields, grant_type: 'password' }),
    400,
    'grant_type_unsupported',
    'grant_type',
  ],
  [
    'no subject token',
    buildPost('/v1/token', buildFormWithout('subject_token')),
    400,
    'request_malformed',
    'subject_token',
  ],
  [
    'no authorization details',
    buildPost('/v1/token', buildFormWithout('authorization_details')),
    400,
    'details_malformed',
    'authorization_details',
  ],
  [
    'details that are not JSON',
    buildPost('/v1/token', { ...fields, authorization_details: '{' }),
    400,
    'details_malformed',
    'authorization_details',
  ],
  [
    'details nested 10,000 deep',
    buildPost('/v1/token', { ...fields, authorization_details: nested }),
    400,
    'details_malformed',
    'authorization_details',
  ],
  [
    'an unknown member in the details',
    buildPost('/v1/token', {
      ...fields,
      authorization_details: details.replace('"task":', '"extra":1,"task":'),
    }),
    400,
    'details_malformed',
    'extra',
  ],
  ['a field given twice', buildRawRequest(twice), 400, 'request_malformed', 'subject_token'],
  [
    'a scope',
    buildPost('/v1/token', { ...fields, scope: 'everything' }),
    400,
    'request_malformed',
    'scope',
  ],
  [
    'a JSON body',
    buildRawRequest(JSON.stringify(fields), 'application/json'),
    415,
    'content_type_unsupported',
    'Content-Type',
  ],
  ['a body of no type', buildRawRequest('x', ''), 415, 'content_type_unsupported', 'Content-Type'],
  [
    'a compressed body',
    buildRawRequest('x', form, { 'content-encoding': 'gzip' }),
    415,
    'content_type_unsupported',
    'Content-Encoding',
  ],
  [
    'a form of a million entries',
    buildPost('/v1/token', { ...fields, authorization_details: million }),
    413,
    'body_too_large',
    '(body)',
  ],
  ['a body of 20 MB', buildRawRequest(megabytes), 413, 'body_too_large', '(body)'],
  [
    'a million JSON entries',
    buildRawRequest(million, 'application/json'),
    415,
    'content_type_unsupported',
    'Content-Type',
  ],
  [
    'an end without a run',
    buildPost('/v1/revoke', { subject_token: 'a.b.c', reason: 'completed' }),
    400,
    'request_malformed',
    'token',
  ],
  [
    'an end without a reason',
    buildPost('/v1/revoke', { token: 'run', subject_token: 'a.b.c', reason: 'because' }),
    400,
    'request_malformed',
    'reason',
  ],
  [
    'a report of calls with an unknown member',
    buildPost('/v1/records', { run: 'run', subject_token: 'a.b.c', calls: '{"bodies":[]}' }),
    400,
    'request_malformed',
    'calls.bodies',
  ],
  [
    'an event stream without a token',
    { method: 'GET', path: '/v1/events' },
    400,
    'request_malformed',
    'Authorization',
  ],
  [
    'the token route with GET',
    { method: 'GET', path: '/v1/token' },
    405,
    'method_not_allowed',
    'POST',
  ],
  ['the keys route with POST', buildPost('/jwks', {}), 405, 'method_not_allowed', 'GET'],
  ['an unknown route', { method: 'GET', path: '/v1/../admin' }, 404, 'route_unknown', 'route'],
];

describe(`the authority (${cloud.name})`, () => {
  let slowestMs = 0;

  afterAll(() => {
    recordSeconds('the slowest answer to a malformed request', slowestMs);
  });

  it.each(CASES)(
    'rejects %s, and names it in the message',
    async (_what, request, status, reason, named) => {
      const reply = await sendOne(request);
      const refused = parseTokenError(reply);
      expect({ ...refused, status: reply.status }).toMatchObject({ status, reason });
      expect(refused.error_description).toContain(named);
      slowestMs = Math.max(slowestMs, reply.milliseconds);
    },
  );

  it('forbids caching of every response', async () => {
    const reply = await sendOne(buildPost('/v1/token', {}));
    expect(reply.headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'application/json',
    });
  });

  it('closes a request whose body does not arrive', async () => {
    const [replica] = await listReplicas();
    const head = `POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: ${form}\r\nContent-Length: 100\r\n\r\n`;
    const { seconds, answer } = await holdConnection(replica?.address ?? '', `${head}grant_type=`);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    recordSeconds('until a request without its body is closed', seconds * 1000);
  });

  it('closes a request whose head does not arrive', async () => {
    const [replica] = await listReplicas();
    const { seconds } = await holdConnection(replica?.address ?? '', 'POST /v1/token HT');
    recordSeconds('until a request without its head is closed', seconds * 1000);
  });

  it('stays below its memory limit under all of these requests', async () => {
    const heavy = [
      buildPost('/v1/token', { ...fields, authorization_details: million }),
      buildRawRequest(megabytes),
      buildRawRequest(twice),
    ];
    const before = await listReplicas();
    for (const { address } of before) {
      const replies = await sendAll(Array.from({ length: 5 }, () => heavy).flat(), {
        concurrency: 6,
        address,
      });
      expect(replies.every(({ status }) => status === 400 || status === 413)).toBe(true);
    }
    const peaks = await Promise.all(before.map(({ name }) => readPeakBytes(name)));
    // The memory limit of the chart is 512 MiB.
    for (const peak of peaks) expect(peak).toBeLessThan(384 * 1024 * 1024);
    expect(await listReplicas()).toEqual(before);
  });
});

/** Reads the peak resident memory of the program, as the kernel counts it. */
const readPeakBytes = async (pod: string): Promise<number> => {
  const script = 'require("node:fs").readFileSync("/proc/1/status", "utf8")';
  const place = { namespace: testContext.release.namespace, pod };
  const { stdout } = await execInPod(cluster, place, ['/usr/local/bin/node', '-p', script]);
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(stdout) ?? [];
  return Number(kilobytes) * 1024;
};

/** Sends an incomplete request; returns how long the server kept the connection open. */
const holdConnection = async (host: string, begun: string) => {
  const startedAt = performance.now();
  // Only the response matters, so the certificate is not verified.
  const socket = connect({ host, port: 9445, rejectUnauthorized: false });
  socket.write(begun);
  const answer = await text(socket);
  return { answer, seconds: (performance.now() - startedAt) / 1000 };
};
