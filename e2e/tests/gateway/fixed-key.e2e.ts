import { createServer, request } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { forwardPort } from '../../cluster/port-forward.ts';
import { getJson, runKubectl } from '../../cluster/kubectl.ts';
import { readPodUid } from '../node-access.ts';
import { cluster, createNamespace, runPod, testContext, type PodRef } from '../test-context.ts';
import {
  buildBearerSpec,
  callUpstream,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
  serveOnNode,
  type NodeServer,
} from './upstream-objects.ts';

const GATEWAY_PORT = 9473;
const key = `sk-e2e-${randomBytes(24).toString('hex')}`;

/** No other user adds a container to a pod with tasks. */
const BREAK_GLASS = [
  ...['--as', 'e2e-debugger', '--as-group', 'system:masters'],
  ...['--as-group', 'e2e-break-glass'],
];

type ModelAnswer = { text?: string; status?: number; message?: string };

/** A stub of a model API that accepts only the real key. */
const createModelApi = () => {
  const seen: string[] = [];
  const server = createServer((incoming, outgoing) => {
    seen.push(incoming.url ?? '');
    const isKnown = incoming.headers.authorization === `Bearer ${key}`;
    const choices = [{ index: 0, message: { role: 'assistant', content: 'Hello.' } }];
    outgoing.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
    outgoing.end(JSON.stringify(isKnown ? { id: 'chat-1', choices } : { error: 'wrong key' }));
  });
  return { seen, server };
};

/** A request as the gateway expects it, through another port. */
const callThrough = (
  port: number,
  authorization: string,
): Promise<{ status: number | undefined; text: string }> =>
  new Promise((resolve, reject) => {
    const headers = { host: `127.0.0.1:${GATEWAY_PORT}`, authorization };
    request({ host: '127.0.0.1', port, path: '/t/chat/v1/models', headers }, (response) => {
      readText(response).then((text) => resolve({ status: response.statusCode, text }), reject);
    })
      .on('error', reject)
      .end();
  });

describe('the fixed key', () => {
  const upstream = getUpstreamName('fixed-key');
  const { seen, server } = createModelApi();
  const alone: PodRef = { namespace: '', pod: 'alone' };
  const joined: PodRef = { namespace: '', pod: 'joined' };
  let api: NodeServer;
  let uid = '';

  beforeAll(async () => {
    api = await serveOnNode(server);
    const { origin } = api;
    const spec = buildBearerSpec(upstream, origin);
    await createUpstream(upstream, { spec, secret: { text: key, origin } });
    const namespace = await createNamespace('fixed-key');
    alone.namespace = namespace;
    joined.namespace = namespace;
    const allow = [{ actions: ['http:POST', 'http:GET'], resources: [`${origin}/v1/*`] }];
    const task = { provider: 'http', role: upstream, delivery: 'sign', allow };
    const tasks = { chat: { ...task, client: 'openai' }, later: task };
    await runPod({ name: alone.pod, namespace, tasks });
    await runPod({
      ...{ name: joined.pod, namespace, containers: ['agent', 'helper'] },
      tasks: { chat: { ...tasks.chat, containers: ['agent'] } },
    });
    uid = await readPodUid(alone);
  });

  afterAll(async () => {
    await deleteUpstream(upstream);
    await api.close();
  });

  it('lets the unmodified openai SDK call with its environment alone', async () => {
    expect(await callUpstream<ModelAnswer>(alone, 'environment')).toEqual({ text: 'Hello.' });
  });

  it('is refused to kubectl port-forward, which connects as root from inside the pod', async () => {
    const before = seen.length;
    const forward = await forwardPort(cluster, alone, GATEWAY_PORT);
    try {
      const { status, text } = await callThrough(forward.port, `Bearer ${uid}`);
      expect(status).toBe(401);
      expect(text).toContain('user 0 connects');
      expect(text).toContain('$(cat /var/run/valetkey/token)');
      // The same way with a key that no one has says nothing about the UID.
      const other = await callThrough(forward.port, 'Bearer sk-other');
      expect([other.status, other.text]).toEqual([401, expect.not.stringContaining('UID')]);
    } finally {
      await forward.close();
    }
    expect(seen.length).toBe(before);
  });

  it('is refused in a pod with a second container, whose client gets no key', async () => {
    const joinedUid = await readPodUid(joined);
    type Env = { spec: { containers: { name: string; env?: { name: string }[] }[] } };
    const { spec } = await getJson<Env>(cluster, ['pod', joined.pod, '-n', joined.namespace]);
    const names = spec.containers.flatMap(({ env = [] }) => env.map(({ name }) => name));
    expect(names).toContain('OPENAI_BASE_URL');
    expect(names).not.toContain('OPENAI_API_KEY');
    const before = seen.length;
    for (const container of ['helper', 'agent']) {
      const place = { ...joined, container };
      expect(await callUpstream<ModelAnswer>(place, 'key', 'chat', joinedUid)).toMatchObject({
        status: 401,
        message: expect.stringContaining('the authority found another container'),
      });
    }
    expect(seen.length).toBe(before);
    expect(await callUpstream<ModelAnswer>(joined, 'chat')).toEqual({ text: 'Hello.' });
  });

  it('gets no further run once kubectl debug added a container', async () => {
    const { images, imagePullPolicy } = testContext;
    const image = ['--image', images.agent, '--image-pull-policy', imagePullPolicy];
    const debug = [
      'debug',
      alone.pod,
      '-n',
      alone.namespace,
      '-c',
      'debugger',
      '--profile=restricted',
    ];
    const command = ['--', '/bin/sleep', '600'];
    await runKubectl(cluster, [...debug, ...BREAK_GLASS, ...image, ...command]);
    const refused = await waitFor('a refused run', async () => {
      const answer = await callUpstream<ModelAnswer>(alone, 'key', 'later', uid);
      return answer.status === 403 ? answer : undefined;
    });
    expect(refused.message).toContain('pod_noncompliant');
  });
});
