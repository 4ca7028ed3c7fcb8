import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execInPod } from '../../cluster/kubectl.ts';
import { readSidecarStatus, startMemoryMeter } from '../node-access.ts';
import { cluster, createNamespace, runPod, testContext, type PodRef } from '../test-context.ts';
import {
  buildBearerSpec,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
  serveOnNode,
  type NodeServer,
} from './upstream-objects.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine, to read its memory');

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const MINUTE = 60_000;
const CHUNK = Buffer.alloc(64 * 1024, 'x');

function* createAnswer(): Generator<Buffer> {
  for (let sent = 0; sent < GIB; sent += CHUNK.length) yield CHUNK;
}

describe('a pod whose calls have bodies of 1 GiB', () => {
  const place: PodRef = { namespace: '', pod: 'large-bodies' };
  const large = getUpstreamName('large');
  const small = getUpstreamName('small');
  const key = `sk-e2e-${randomBytes(24).toString('hex')}`;
  const received = { bytes: 0 };
  let server: NodeServer;

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method === 'GET') return pipeline(Readable.from(createAnswer()), response);
    for await (const chunk of request) received.bytes += (chunk as Buffer).length;
    response.end(`${received.bytes}`);
  };

  beforeAll(async () => {
    server = await serveOnNode(
      createServer((request, response) => void respond(request, response).catch(() => undefined)),
    );
    const { origin } = server;
    const secret = { text: key, origin };
    await createUpstream(large, {
      spec: { ...buildBearerSpec(large, origin), maxBody: '1Gi' },
      secret,
    });
    await createUpstream(small, { spec: buildBearerSpec(small, origin), secret });
    place.namespace = await createNamespace('bodies');
    const allow = [{ actions: ['http:GET', 'http:POST'], resources: [`${origin}/v1/files`] }];
    const shared = { provider: 'http', delivery: 'sign', lifetime: '15m', allow };
    await runPod({
      ...{ name: place.pod, namespace: place.namespace },
      tasks: { large: { ...shared, role: large }, small: { ...shared, role: small } },
    });
  });

  afterAll(async () => {
    for (const name of [large, small]) await deleteUpstream(name);
    await server.close();
  });

  /** Runs a command of the agent, and returns what it printed and the memory that the sidecar needed. */
  const measure = async (...args: string[]) => {
    const meter = await startMemoryMeter(node, place);
    const command = ['/usr/bin/node', '/app/calls.mjs', ...args];
    const { stdout } = await execInPod(cluster, { ...place, container: 'agent' }, command, {
      timeoutMs: 8 * MINUTE,
    });
    const { before, peak, limit } = meter.stop();
    console.log(`${args.join(' ')}: ${Math.round((peak - before) / MIB)} MiB more in the sidecar`);
    expect(peak).toBeLessThan(limit);
    expect((await readSidecarStatus(place)).restartCount).toBe(0);
    return { answer: JSON.parse(stdout) as unknown, grown: peak - before };
  };

  it(
    'sends one through a sidecar that needs a fraction of its memory limit for it',
    async () => {
      const { answer, grown } = await measure('upload', 'large', String(GIB));
      expect(answer).toEqual({ status: 200, text: String(GIB) });
      expect(grown).toBeLessThan(64 * MIB);
    },
    10 * MINUTE,
  );

  it(
    'gets one as an answer in the same way',
    async () => {
      const { answer, grown } = await measure('download', 'large');
      expect(answer).toEqual({ status: 200, bytes: GIB });
      expect(grown).toBeLessThan(64 * MIB);
    },
    10 * MINUTE,
  );

  it('is refused one that is larger than its Upstream takes, unread', async () => {
    received.bytes = 0;
    const { answer } = await measure('announce', 'small', String(GIB));
    expect(answer).toEqual({ status: 413, code: 'body_too_large' });
    expect(received.bytes).toBe(0);
  });
});
