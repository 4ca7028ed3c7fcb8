import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildModelPython } from '../../clients/client-builds.ts';
import { execInPod } from '../../cluster/kubectl.ts';
import { buildPythonCommand } from '../../python-root.ts';
import { loadPython } from '../../test-images.ts';
import {
  buildAgentContainer,
  cluster,
  createNamespace,
  runPod,
  testContext,
  type PodRef,
} from '../test-context.ts';
import { ANSWER_PARTS, createModelApi } from './model-api.ts';
import {
  buildBearerSpec,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
  serveOnNode,
  type NodeServer,
} from './upstream-objects.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine, to import an image');

const SCRIPT = '/app/model_client.py';
const MINUTE = 60_000;

const createKey = (prefix: string): string => `${prefix}-e2e-${randomBytes(24).toString('hex')}`;

const CLIENTS = [
  { provider: 'openai', container: 'javascript', agent: /^OpenAI\/JS / },
  { provider: 'anthropic', container: 'javascript', agent: /^Anthropic\/JS / },
  { provider: 'openai', container: 'python', agent: /^OpenAI\/Python / },
  { provider: 'anthropic', container: 'python', agent: /^Anthropic\/Python / },
] as const;

const PATHS = { openai: '/v1/chat/completions', anthropic: '/v1/messages' };

describe('a pod with the unmodified SDKs of model APIs', () => {
  const place: PodRef = { namespace: '', pod: 'model-clients' };
  const keys = { openai: createKey('sk'), anthropic: createKey('sk-ant') };
  const api = createModelApi(keys);
  const names = { openai: getUpstreamName('openai'), anthropic: getUpstreamName('anthropic') };
  const commands: Record<string, string[]> = {};
  let server: NodeServer;

  const createUpstreams = async (): Promise<void> => {
    const { origin } = server;
    const { openai, anthropic } = names;
    await createUpstream(openai, {
      spec: buildBearerSpec(openai, origin),
      secret: { text: keys.openai, origin },
    });
    const present = { header: { name: 'x-api-key', template: '{secret}' } };
    await createUpstream(anthropic, {
      spec: { ...buildBearerSpec(anthropic, origin), present },
      secret: { text: keys.anthropic, origin },
    });
  };

  const startPod = async (image: string): Promise<void> => {
    const containers = ['javascript', 'python'];
    const buildTask = (provider: 'openai' | 'anthropic') => ({
      ...{
        provider: 'http',
        role: names[provider],
        client: provider,
        delivery: 'sign',
        containers,
      },
      allow: [{ actions: ['http:POST'], resources: [`${server.origin}${PATHS[provider]}`] }],
    });
    const python = { ...buildAgentContainer('python', [], []), image };
    await runPod({
      ...{ name: place.pod, namespace: place.namespace },
      tasks: { openai: buildTask('openai'), anthropic: buildTask('anthropic') },
      spec: {
        containers: [
          buildAgentContainer('javascript', ['hold'], []),
          { ...python, command: ['/bin/sleep', '3600'] },
        ],
      },
    });
  };

  beforeAll(async () => {
    const python = await buildModelPython(console.log);
    const script = join(import.meta.dirname, '..', '..', 'clients', 'python', 'model_client.py');
    const files = { [SCRIPT]: script };
    const image = await loadPython(node, { name: 'model-clients', python, files });
    commands['javascript'] = ['/usr/bin/node', '/app/calls.mjs'];
    commands['python'] = await buildPythonCommand(python, SCRIPT);
    server = await serveOnNode(createServer(api.listener));
    await createUpstreams();
    place.namespace = await createNamespace('model-clients');
    await startPod(image);
  }, 5 * MINUTE);

  afterAll(async () => {
    for (const name of Object.values(names)) await deleteUpstream(name);
    await server.close();
  });

  describe.each(CLIENTS)('$provider for $container', ({ provider, container, agent }) => {
    const ask = async (command: string): Promise<unknown> => {
      const args = [...(commands[container] ?? []), provider, command, container];
      const { stdout } = await execInPod(cluster, { ...place, container }, args);
      return JSON.parse(stdout) as unknown;
    };
    const listCalls = (command: string) =>
      api.calls.filter(
        ({ path, asked }) => path === PATHS[provider] && asked === `${container} ${command}`,
      );

    it('gets an answer, and is the client that it says', async () => {
      expect(await ask('chat')).toEqual({ text: ANSWER_PARTS.join('') });
      const [call] = listCalls('chat');
      expect(call?.userAgent).toMatch(agent);
    });

    it('gets each event of a stream before the API sends the next', async () => {
      expect(await ask('stream')).toEqual({ parts: ANSWER_PARTS });
      expect(listCalls('received')).toHaveLength(1);
    });

    it('asks again after 429, when Retry-After says', async () => {
      expect(await ask('busy')).toEqual({ text: ANSWER_PARTS.join('') });
      const [first, second, ...more] = listCalls('busy').map(({ at }) => at);
      expect(more).toEqual([]);
      expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(1_900);
    });

    it('raises its own error for a path outside the task, which the API never sees', async () => {
      expect(await ask('outside')).toEqual({
        status: 403,
        message: expect.stringMatching(/valetkey: .*outside task/),
      });
    });
  });

  it('sends the API nothing else, and no key but the real ones', () => {
    expect(new Set(api.calls.map(({ path }) => path))).toEqual(new Set(Object.values(PATHS)));
  });
});
