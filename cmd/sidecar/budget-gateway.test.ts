import { readFileSync, statSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from '@jest/globals';

import type { Exchange } from '../../lib/contract/exchange.ts';
import type { Budget } from '../../lib/contract/task.ts';
import type { HttpSecret, UpstreamRules } from '../../lib/contract/upstream.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { createPodFolder, sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Respond = (outgoing: ServerResponse, count: number) => void;

const startApi = async (respond: Respond) => {
  const urls: string[] = [];
  const server = createServer((incoming, outgoing) => {
    urls.push(incoming.url ?? '');
    incoming.resume();
    incoming.once('end', () => respond(outgoing, urls.length));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { urls, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

const sendUsage: Respond = (outgoing) => {
  outgoing.writeHead(200, { 'content-type': 'application/json' });
  outgoing.end(JSON.stringify({ usage: { total_tokens: 60 } }));
};
const AGENT = { containers: ['agent'] };

/** A pod with a task of each provider and the same budget; its sidecar can be restarted. */
const startPod = async (
  budget: Budget,
  respond: Respond = (outgoing) => outgoing.end('content'),
) => {
  const api = await startApi(respond);
  const { tokens, ...counted } = budget;
  const tasks = [
    buildTask({
      ...{ name: 'chat', provider: 'http', role: 'model-api', delivery: 'sign', ...AGENT, budget },
      allow: [{ actions: ['http:GET', 'http:POST'], resources: [`${api.origin}/v1/*`] }],
    }),
    buildTask({
      ...{ name: 'read', delivery: 'sign', ...AGENT },
      ...(tokens === undefined && { budget: counted }),
    }),
  ];
  let runs = 0;
  const exchange: Exchange = ({ task: { provider, lifetimeSeconds } }) => {
    runs += 1;
    const times = {
      run: `run-${runs}`,
      deadline: Date.now() + lifetimeSeconds * 1000,
      skewMs: 0,
    };
    if (provider === 'aws') {
      const credentials = { accessKeyId: 'ASIA1', secretAccessKey: 's', sessionToken: 't' };
      return Promise.resolve({ ...times, credentials });
    }
    const upstream: UpstreamRules = {
      ...{ name: 'model-api', url: api.origin, protocol: 'http', encodedSlash: 'refuse' },
      ...{ headers: { pass: [], set: {} }, query: { deny: [] }, maxBodyBytes: 4096 },
      ...{ allowHttp: true, privateAddresses: true },
    };
    const headers = { authorization: 'Bearer sk-0123456789abcdef' };
    const secret: HttpSecret = {
      ...{ kind: 'http', headers, echoes: ['sk-0123456789abcdef'], upstream },
    };
    return Promise.resolve({ ...times, secret });
  };
  const pod = createPodFolder(tasks);
  closers.push(pod.remove);
  const gateway = {
    ...{ region: 'eu-central-1', dialect: 'aws', allowHttp: true },
    ...{ maxBodyBytes: 1_048_576, bufferBytes: 1_048_576 },
    endpoints: [{ service: 's3', url: api.origin }],
  };
  const start = async () => {
    const running = await startTestSidecar({
      ...{ tasks, exchange, pod },
      environment: { VALETKEY_GATEWAY: JSON.stringify(gateway) },
    });
    closers.push(running.stop);
    return running;
  };
  let running = await start();
  const readToken = (): string => readFileSync(join(pod.folder, 'agent', 'token'), 'utf8');
  const call = async (path: string, options: RequestInit = {}) => {
    const response = await fetch(`http://127.0.0.1:${running.gatewayPort}/t/chat${path}`, {
      ...options,
      headers: { authorization: `Bearer ${readToken()}`, 'content-type': 'application/json' },
    });
    return { code: response.headers.get('x-valetkey-code'), response };
  };
  const read = async (path: string): Promise<string | null> => {
    const { code, response } = await call(path);
    await response.text();
    return code;
  };
  const createS3 = async (): Promise<S3Client> => {
    const { text } = await sendRequest({
      ...{ port: running.loopbackPort, path: '/v1/tasks/read/credentials' },
      headers: { Authorization: readToken() },
    });
    const keys = JSON.parse(text) as Record<string, string>;
    const client = new S3Client({
      region: 'eu-central-1',
      endpoint: `http://127.0.0.1:${running.gatewayPort}`,
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: {
        accessKeyId: keys['AccessKeyId'] ?? '',
        secretAccessKey: keys['SecretAccessKey'] ?? '',
        sessionToken: keys['Token'] ?? '',
      },
    });
    closers.push(() => client.destroy());
    return client;
  };
  const readMetrics = () => sendRequest({ port: running.telemetryPort, path: '/metrics' });
  return {
    ...{ api, call, read, createS3, readMetrics, folder: pod.folder, countRuns: () => runs },
    /** The next process has the volumes of the earlier one, and nothing else. */
    restart: async () => {
      await running.stop();
      running = await start();
    },
    getLines: () => running.lines.join('\n'),
  };
};

const getObject = (client: S3Client, Key = 'reports/a') =>
  client.send(new GetObjectCommand({ Bucket: 'acme-data', Key }));

describe('the budget of a task at the gateway', () => {
  it('lets exactly so many calls through that are made at once, and starts no other run', async () => {
    const { api, read, countRuns, getLines } = await startPod({ calls: 5 });
    const codes = await Promise.all(
      Array.from({ length: 20 }, () => read('/v1/models').catch(() => 'cut')),
    );
    expect(api.urls.length).toBeLessThanOrEqual(5);
    expect(codes.filter((code) => code === 'budget_exceeded').length).toBeGreaterThanOrEqual(15);
    expect(await read('/v1/models')).toBe('budget_exceeded');
    expect(countRuns()).toBe(1);
    expect(getLines()).toContain('"reason":"budget_exceeded"');
  });

  it('cuts an answer at the limit of bytes, and a call in flight with it', async () => {
    const { call } = await startPod({ bytesOut: 1000 }, (outgoing, count) => {
      outgoing.writeHead(200, { 'content-type': 'text/plain' });
      outgoing.write('x'.repeat(count === 1 ? 400 : 700));
    });
    const first = await call('/v1/a');
    const reader = first.response.body?.getReader();
    expect((await reader?.read())?.value).toHaveLength(400);
    const second = await call('/v1/b');
    await expect(second.response.text()).rejects.toThrow();
    await expect(reader?.read()).rejects.toThrow();
    expect((await call('/v1/c')).code).toBe('budget_exceeded');
  });

  it('ends the run at the denial above the limit', async () => {
    const { api, read } = await startPod({ denials: 2 });
    expect(await read('/v1/a')).toBeNull();
    for (const path of ['/v2/a', '/v2/b', '/v2/c']) expect(await read(path)).toBe('path_outside');
    expect(await read('/v1/a')).toBe('budget_exceeded');
    expect(api.urls).toEqual(['/v1/a']);
  });

  it('counts the tokens that answers report, and refuses calls once they are used', async () => {
    const { api, call } = await startPod({ tokens: 100 }, sendUsage);
    const post = () => call('/v1/chat/completions', { method: 'POST', body: '{}' });
    expect(await (await post()).response.json()).toEqual({ usage: { total_tokens: 60 } });
    expect(await (await post()).response.json()).toEqual({ usage: { total_tokens: 60 } });
    expect((await post()).code).toBe('budget_exceeded');
    expect(api.urls).toHaveLength(2);
  });

  it('counts a stream without usage by its bytes', async () => {
    const { call } = await startPod({ tokens: 100 }, (outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      outgoing.end(`data: ${JSON.stringify({ text: 'x'.repeat(400) })}\n\ndata: [DONE]\n\n`);
    });
    const post = () => call('/v1/chat/completions', { method: 'POST', body: '{}' });
    await (await post()).response.text();
    expect((await post()).code).toBe('budget_exceeded');
  });

  it('survives a restart of the sidecar in a file that only the sidecar can read', async () => {
    const { api, read, restart, folder, countRuns } = await startPod({ calls: 10 });
    for (let count = 0; count < 6; count += 1) expect(await read('/v1/models')).toBeNull();
    expect(statSync(join(folder, 'agent', 'budget')).mode & 0o777).toBe(0o600);
    await restart();
    for (let count = 0; count < 10; count += 1) await read('/v1/models').catch(() => 'cut');
    expect(countRuns()).toBe(2);
    expect(api.urls.length).toBeLessThanOrEqual(10);
    expect(api.urls.length).toBeGreaterThanOrEqual(6);
    await restart();
    expect(await read('/v1/models')).toBe('budget_exceeded');
    expect(countRuns()).toBe(2);
  });

  it('limits calls that are signed for AWS, and their bytes', async () => {
    const calls = await startPod({ calls: 2 });
    const client = await calls.createS3();
    for (let count = 0; count < 2; count += 1) {
      expect(await (await getObject(client)).Body?.transformToString()).toBe('content');
    }
    await expect(getObject(client)).rejects.toMatchObject({ name: 'AccessDenied' });
    expect(calls.api.urls).toHaveLength(2);
    const bytes = await startPod({ bytesOut: 10 });
    const other = await bytes.createS3();
    expect(await (await getObject(other)).Body?.transformToString()).toBe('content');
    await expect(getObject(other).then(({ Body }) => Body?.transformToString())).rejects.toThrow();
    await expect(getObject(other)).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  it('counts denials of calls that are signed for AWS', async () => {
    const { createS3 } = await startPod({ denials: 1 });
    const client = await createS3();
    for (let count = 0; count < 2; count += 1) {
      await expect(getObject(client, 'other')).rejects.toThrow('outside task read');
    }
    await expect(getObject(client)).rejects.toThrow('budget');
  });

  it('shows its used share as a metric', async () => {
    const { read, readMetrics } = await startPod({ calls: 4 });
    await read('/v1/models');
    expect((await readMetrics()).text).toContain(
      'valetkey_sidecar_budget_used_ratio{task="chat",kind="calls"} 0.25',
    );
  });
});
