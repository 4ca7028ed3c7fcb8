import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';

import { afterEach, describe, expect, it } from '@jest/globals';

import { TRACING_ENV } from '../../lib/contract/environment.ts';
import {
  buildGrantedReply,
  buildRefusedReply,
  startFakeAuthority,
  type FakeReply,
  type PostedForm,
} from '../../lib/edge/authority/fixtures/fake-authority.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { readOtlpSpans } from '../../test/kit/otlp-spans.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { createPodFolder, sendRequest } from './fixtures/test-sidecar.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const TOKEN_PATH = '/v1/token';
const TASK = 'summarize';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const startServer = async (listener: RequestListener) => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  closing.push(close);
  return { close, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

/** A collector that keeps the export requests. */
const startCollector = async () => {
  const requests: string[] = [];
  const { endpoint } = await startServer((request, response) => {
    void readText(request).then((body) => {
      requests.push(body);
      response.setHeader('Content-Type', 'application/json').end('{}');
    });
  });
  return { endpoint, requests };
};

const startHangingServer = async (): Promise<string> =>
  (await startServer(() => undefined)).endpoint;

const startStoppedServer = async (): Promise<string> => {
  const { endpoint, close } = await startServer(() => undefined);
  close();
  return endpoint;
};

/** The program as a process of its own, because a tracer is global; and its authority. */
const startProgram = async (
  reply: (form: PostedForm) => FakeReply,
  tracing: Readonly<Record<string, string>>,
) => {
  const authority = await startFakeAuthority(reply);
  closing.push(authority.stop);
  const pod = createPodFolder([buildTask({ name: TASK, default: true })]);
  closing.push(pod.remove);
  const { endpoint, roots } = authority;
  const child = spawn(process.execPath, [MAIN], {
    env: {
      ...pod.environment,
      VALETKEY_TRUST: 'authority',
      VALETKEY_AUTHORITY: JSON.stringify({ endpoint, roots }),
      VALETKEY_CLOUD: '',
      ...tracing,
    },
  });
  const exit = once(child, 'exit');
  closing.push(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await waitUntil(() => output.includes('sidecar ready'));
  const socketPath = join(pod.folder, 'agent', 'socket');
  return {
    get: () => sendRequest({ socketPath, path: '/v1/credentials' }),
    /** The headers of each exchange. */
    listExchanges: () =>
      authority.posts.filter((_, at) => authority.forms[at]?.path === TOKEN_PATH),
    /** Ends the program, which sends the spans that wait; returns its exit code. */
    stop: async () => {
      child.kill('SIGTERM');
      return (await exit)[0] as number;
    },
  };
};

const trace = (endpoint: string) => ({
  [TRACING_ENV.endpoint]: endpoint,
  [TRACING_ENV.samplerRatio]: '1',
});

describe('tracing of a sidecar', () => {
  it('sends a span of an exchange, and its context to the authority', async () => {
    const { endpoint, requests } = await startCollector();
    const sidecar = await startProgram((form) => buildGrantedReply(form), trace(endpoint));
    expect((await sidecar.get()).status).toBe(200);
    expect(await sidecar.stop()).toBe(0);
    const spans = requests.flatMap(readOtlpSpans);
    expect(spans).toEqual([
      expect.objectContaining({
        service: 'valetkey-sidecar',
        name: 'sidecar.exchange',
        parentSpanId: '',
        attributes: {},
      }),
    ]);
    const [{ traceId, spanId } = { traceId: 'none', spanId: 'none' }] = spans;
    expect(sidecar.listExchanges().map(({ traceparent }) => traceparent)).toEqual([
      `00-${traceId}-${spanId}-01`,
    ]);
    const text = requests.join();
    for (const hidden of ['exchange.token.secret', 'secret-1', 'session-1', 'ASIA1', TASK])
      expect(text).not.toContain(hidden);
  }, 60_000);

  it('has of a refused exchange its code only', async () => {
    const { endpoint, requests } = await startCollector();
    const refuse = () => buildRefusedReply(403, 'policy_denied');
    const sidecar = await startProgram(refuse, trace(endpoint));
    expect((await sidecar.get()).status).toBe(403);
    expect(await sidecar.stop()).toBe(0);
    expect(requests.flatMap(readOtlpSpans).map(({ attributes }) => attributes)).toEqual([
      { 'error.type': 'policy_denied' },
    ]);
  }, 60_000);

  it.each([
    ['is not reachable', startStoppedServer],
    ['does not answer', startHangingServer],
  ])(
    'serves credentials and ends in time while the collector %s',
    async (_, start) => {
      const grant = (form: PostedForm) => buildGrantedReply(form);
      const sidecar = await startProgram(grant, trace(await start()));
      expect((await sidecar.get()).status).toBe(200);
      const begun = performance.now();
      expect(await sidecar.stop()).toBe(0);
      // The exporter gives up after 5 s.
      expect(performance.now() - begun).toBeLessThan(4_000);
    },
    60_000,
  );

  it('sends no context without an endpoint', async () => {
    const sidecar = await startProgram((form) => buildGrantedReply(form), {});
    expect((await sidecar.get()).status).toBe(200);
    await sidecar.stop();
    expect(sidecar.listExchanges()).toHaveLength(1);
    expect(sidecar.listExchanges()[0]?.['traceparent']).toBeUndefined();
  }, 60_000);
});
