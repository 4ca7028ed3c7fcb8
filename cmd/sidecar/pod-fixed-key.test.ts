import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';

import type { Exchange } from '../../lib/contract/exchange.ts';
import { findPeerUid, type FindPeerUid } from '../../lib/edge/gateway/peer.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const POD_UID = '0b8ff4a1-0a4b-4c37-9a5e-3a7a5b1d2c3e';
const KEY = 'sk-real-0123456789abcdef';

/** A model API that accepts only the real key. */
const startApi = async () => {
  const seen: unknown[] = [];
  const server = createServer((incoming, outgoing) => {
    seen.push(incoming.headers.authorization);
    outgoing.writeHead(200, { 'content-type': 'application/json' });
    outgoing.end('{"choices":[{"message":{"content":"hello"}}]}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { seen, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

const listTasks = (origin: string, containers: string[]) => {
  const shared = { provider: 'http', role: 'model-api', delivery: 'sign' } as const;
  const allow = [{ actions: ['http:POST', 'http:GET'], resources: [`${origin}/v1/*`] }];
  return [
    buildTask({ ...shared, name: 'chat', client: 'openai', default: false, containers, allow }),
    buildTask({ ...shared, name: 'mail', default: false, containers: ['agent'], allow }),
  ];
};

/** The client of a test has the user of the sidecar, so that the look-up finds another. */
const asAgent: FindPeerUid = () => Promise.resolve(1000);

const start = async ({
  answers = [true],
  findPeerUid: find = asAgent,
  fixedKey = 'auto',
  podUid = POD_UID,
  containers = ['agent'],
}: {
  answers?: (boolean | undefined)[];
  findPeerUid?: FindPeerUid;
  fixedKey?: string;
  podUid?: string;
  containers?: string[];
} = {}) => {
  const api = await startApi();
  let runs = 0;
  const exchange: Exchange = ({ task: { lifetimeSeconds } }) => {
    const fixedKeyAnswer = answers[Math.min(runs, answers.length - 1)];
    runs += 1;
    return Promise.resolve({
      run: `run-${runs}`,
      secret: {
        kind: 'http',
        headers: { authorization: `Bearer ${KEY}` },
        echoes: [KEY],
        upstream: {
          ...{ name: 'model-api', url: api.origin, protocol: 'http', encodedSlash: 'refuse' },
          ...{ headers: { pass: [], set: {} }, query: { deny: [] }, maxBodyBytes: 4096 },
          ...{ allowHttp: true, privateAddresses: true },
        },
      },
      deadline: Date.now() + lifetimeSeconds * 1000,
      skewMs: 0,
      ...(fixedKeyAnswer !== undefined && { fixedKey: fixedKeyAnswer }),
    });
  };
  const limits = { maxBodyBytes: 1_048_576, bufferBytes: 1_048_576 };
  const gateway = { region: 'eu-central-1', dialect: 'aws', fixedKey, ...limits };
  const sidecar = await startTestSidecar({
    tasks: listTasks(api.origin, containers),
    exchange,
    environment: { VALETKEY_GATEWAY: JSON.stringify(gateway), VALETKEY_POD_UID: podUid },
    findPeerUid: find,
  });
  closers.push(sidecar.remove, sidecar.stop);
  const base = `http://127.0.0.1:${sidecar.gatewayPort}`;
  const call = async (path: string, authorization = `Bearer ${POD_UID}`) => {
    const response = await fetch(`${base}${path}`, { headers: { authorization } });
    return { status: response.status, text: await response.text() };
  };
  const readToken = () => readFileSync(join(sidecar.folder, 'agent', 'token'), 'utf8');
  return { ...sidecar, api, base, call, readToken, countRuns: () => runs };
};

const PATH = '/t/chat/v1/models';

describe('the fixed key', () => {
  it('lets the unmodified openai client call with the UID of the pod alone', async () => {
    const { api, base } = await start();
    const client = new OpenAI({ baseURL: `${base}/t/chat/v1`, apiKey: POD_UID });
    const answer = await client.chat.completions.create({
      model: 'm',
      messages: [{ role: 'user', content: 'hi' }],
    });
    expect(answer.choices[0]?.message.content).toBe('hello');
    expect(api.seen).toEqual([`Bearer ${KEY}`]);
  });

  it('is refused with what to do instead, and reaches no API', async () => {
    const { api, call, countRuns } = await start({ findPeerUid: () => Promise.resolve(0) });
    const { status, text } = await call(PATH);
    expect([status, text]).toEqual([
      401,
      expect.stringContaining(
        'use the socket /var/run/valetkey/gateway, or start the client with OPENAI_API_KEY=\\"$(cat /var/run/valetkey/token)\\"',
      ),
    ]);
    expect(text).toContain('user 0 connects');
    expect([api.seen, countRuns()]).toEqual([[], 0]);
  });

  it('is refused to a real client with the user of the sidecar', async () => {
    const { call } = await start({ findPeerUid });
    const { status, text } = await call(PATH);
    expect([status, text]).toEqual([401, expect.stringContaining(`user ${process.getuid?.()}`)]);
  });

  it.each([
    ['the platform sets off', { fixedKey: 'off' }],
    ['the sidecar does not know the UID', { podUid: '' }],
    ['the pod has two consumers', { containers: ['agent', 'helper'] }],
  ])('is unknown if %s', async (_why, options) => {
    const { call, countRuns } = await start(options);
    const { status, text } = await call(PATH);
    expect([status, countRuns()]).toEqual([401, 0]);
    expect(text).not.toContain('UID');
  });

  it('is refused in Basic, and below /r/<run>', async () => {
    const { call, countRuns } = await start();
    expect((await call(PATH, `Basic ${btoa(`x:${POD_UID}`)}`)).status).toBe(401);
    const { status, text } = await call('/r/run-1/v1/models');
    expect([status, text]).toEqual([401, expect.stringContaining('only below /t/<task>')]);
    expect(countRuns()).toBe(0);
  });

  it('is refused by the answer of the first run, and starts no further run then', async () => {
    const { api, call, countRuns, readToken } = await start({ answers: [false] });
    for (const path of [PATH, PATH, '/t/mail/v1/models']) {
      const { status, text } = await call(path);
      expect([status, text]).toEqual([401, expect.stringContaining('the authority found')]);
    }
    expect([api.seen, countRuns()]).toEqual([[], 1]);
    expect((await call(PATH, `Bearer ${readToken()}`)).status).toBe(200);
  });

  it('follows the latest answer, also for a run in use', async () => {
    const { call, readToken } = await start({ answers: [true, false] });
    expect((await call(PATH)).status).toBe(200);
    expect((await call('/t/mail/v1/models', `Bearer ${readToken()}`)).status).toBe(200);
    expect((await call(PATH)).status).toBe(401);
  });

  it('is refused by an authority that does not know it, and the next run is asked again', async () => {
    const { call } = await start({ answers: [undefined, true] });
    expect((await call(PATH)).status).toBe(401);
    expect((await call('/t/mail/v1/models')).status).toBe(200);
    expect((await call(PATH)).status).toBe(200);
  });

  it('shows whether the kernel shows who connects', async () => {
    const { telemetryPort, call } = await start();
    await call(PATH);
    const { text } = await sendRequest({ port: telemetryPort, path: '/metrics' });
    expect(text).toContain('valetkey_sidecar_peer_check_passed 1');
    const off = await start({ fixedKey: 'off' });
    const { text: without } = await sendRequest({ port: off.telemetryPort, path: '/metrics' });
    expect(without).not.toMatch(/^valetkey_sidecar_peer_check_passed/m);
  });
});
