import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { StartedServer } from '../../../cmd/sidecar/fixtures/mcp-servers.ts';
import { installMcpPythons, type McpPythons } from '../../clients/mcp-programs.ts';
import { execInPod } from '../../cluster/kubectl.ts';
import {
  buildAgentContainer,
  cluster,
  createNamespace,
  runPod,
  testContext,
} from '../test-context.ts';
import {
  loadPythonClients,
  startEverything,
  startFastMcp,
  type PythonClients,
} from './mcp-servers.ts';
import {
  buildBearerSpec,
  callUpstream,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
} from './upstream-objects.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine, to load an image');

type ToolCall = { name: string; arguments: Record<string, unknown> };
type Seen = {
  names: string[];
  calls: { isError: boolean; text: string; progress: number[] }[];
};
type Client = 'TypeScript' | 'Python 1' | 'Python 2';

/** `legacy`: sessions; `auto`: what the server offers; or the version without sessions. */
const CLIENTS = [
  ['TypeScript', 'legacy'],
  ['TypeScript', 'auto'],
  ['Python 1', 'legacy'],
  ['Python 2', 'legacy'],
  ['Python 2', 'auto'],
] as const;
const STATELESS = [
  ['TypeScript', '2026-07-28'],
  ['Python 2', '2026-07-28'],
] as const;

const SERVERS = [
  {
    name: 'server-everything',
    start: (key: string) => startEverything(key),
    clients: CLIENTS,
    long: { name: 'trigger-long-running-operation', arguments: { duration: 0.02, steps: 2 } },
    refused: { name: 'get-env', arguments: {} },
    added: [] as ToolCall[],
  },
  {
    name: 'FastMCP',
    start: (key: string, { newer }: McpPythons) => startFastMcp(newer, key),
    clients: [...CLIENTS, ...STATELESS],
    long: { name: 'count', arguments: { steps: 2 } },
    refused: { name: 'delete', arguments: { path: '/' } },
    // What reached the server, by its own account.
    added: [{ name: 'list_calls', arguments: {} }],
  },
];

let pythons: McpPythons;
let python: PythonClients;

beforeAll(async () => {
  // They are in the cache: a test cannot download.
  pythons = await installMcpPythons(() => undefined);
  python = await loadPythonClients(node, pythons);
}, 300_000);

describe.each(SERVERS)(
  'a pod that may call some tools of $name',
  ({ name, start, clients, long, refused, added }) => {
    const key = `mcp-e2e-${randomBytes(24).toString('hex')}`;
    const upstream = getUpstreamName(name.toLowerCase());
    const allowed = ['echo', long.name, ...added.map((call) => call.name)].sort();
    const place = { namespace: '', pod: 'calling' };
    let server: StartedServer;

    beforeAll(async () => {
      server = await start(key, pythons);
      const { origin } = new URL(server.url);
      const spec = { ...buildBearerSpec(upstream, server.url), protocol: 'mcp' };
      await createUpstream(upstream, { spec, secret: { text: key, origin } });
      place.namespace = await createNamespace(name.toLowerCase());
      const resources = allowed.map((tool) => `mcp://${upstream}/tools/${tool}`);
      const tools = {
        ...{ provider: 'http', role: upstream, delivery: 'sign' },
        allow: [{ actions: ['mcp:tools/call'], resources }],
      };
      const pythonContainer = {
        ...buildAgentContainer('python'),
        image: python.image,
        command: ['/bin/sleep', '3600'],
      };
      await runPod({
        ...{ name: place.pod, namespace: place.namespace, tasks: { tools } },
        spec: { containers: [buildAgentContainer('agent'), pythonContainer] },
      });
    });

    afterAll(async () => {
      await deleteUpstream(upstream);
      await server.close();
    });

    const use = async (client: Client, mode: string, plan: readonly ToolCall[]): Promise<Seen> => {
      const text = JSON.stringify(plan);
      if (client === 'TypeScript') return callUpstream<Seen>(place, 'mcp', 'tools', mode, text);
      const command = client === 'Python 1' ? python.older : python.newer;
      const args = ['http://127.0.0.1:9473/t/tools', '/var/run/valetkey/token', mode, text];
      const container = 'python';
      const { stdout } = await execInPod(cluster, { ...place, container }, [...command, ...args]);
      return JSON.parse(stdout) as Seen;
    };

    it.each(clients)(
      'sees and calls those alone, with the unmodified client of %s (%s)',
      async (client, mode) => {
        const echo = { name: 'echo', arguments: { message: 'größe' } };
        const { names, calls } = await use(client, mode, [echo, long, refused, ...added]);
        expect(names).toEqual(allowed);
        const [echoed, counted, denied, account] = calls;
        expect(echoed).toMatchObject({ isError: false, text: 'Echo: größe' });
        expect(counted).toMatchObject({ isError: false, progress: [1, 2] });
        expect(denied?.isError).toBe(true);
        expect(denied?.text).toContain(`mcp://${upstream}/tools/${refused.name} is outside task`);
        expect(account?.text ?? '').not.toContain(refused.name);
      },
    );
  },
);
