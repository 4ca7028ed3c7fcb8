import { spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import {
  createEverything,
  requireKey,
  type StartedServer,
} from '../../../cmd/sidecar/fixtures/mcp-servers.ts';
import { FASTMCP_SERVER, MCP_CLIENT, type McpPythons } from '../../clients/mcp-programs.ts';
import type { Cluster } from '../../cluster/cluster-file.ts';
import { loadImage } from '../../cluster/images.ts';
import { buildPythonCommand, writePythonRoot } from '../../python-root.ts';
import { nodeAddress, serveOnNode } from './upstream-objects.ts';

/** Starts `@modelcontextprotocol/server-everything` on the node. It accepts only requests with the key. */
export const startEverything = async (key: string): Promise<StartedServer> => {
  const { listener, cleanUp } = await createEverything();
  const { origin, close } = await serveOnNode(createServer(requireKey(key, listener)));
  return {
    url: `${origin}/mcp`,
    close: async () => {
      await close();
      cleanUp();
    },
  };
};

/** Starts a server made with FastMCP on the node. It accepts only requests with the key. */
export const startFastMcp = async (python: string, key: string): Promise<StartedServer> => {
  const server = spawn(python, [FASTMCP_SERVER, nodeAddress, '0'], {
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', KEY: key },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => server.once('close', () => resolve()));
  let log = '';
  const origin = await new Promise<string>((resolve, reject) => {
    server.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-2000);
      const [, found] = /running on (http:\S+)/.exec(log) ?? [];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => reject(new Error(`FastMCP did not start: ${log}`)));
  });
  return {
    url: `${origin}/mcp`,
    close: async () => {
      // It would wait for streams to which clients listen.
      server.kill('SIGKILL');
      await ended;
    },
  };
};

/** An image with both Python clients, and the command that starts each. */
export type PythonClients = {
  readonly image: string;
  readonly older: readonly string[];
  readonly newer: readonly string[];
};

/** Loads the image into the cluster. */
export const loadPythonClients = async (
  node: Cluster,
  { older, newer }: McpPythons,
): Promise<PythonClients> => {
  const folder = join(node.folder, 'images', 'mcp-clients');
  await writePythonRoot(folder, [older, newer]);
  const program = '/app/mcp_client.py';
  cpSync(MCP_CLIENT, join(folder, program));
  const { reference } = await loadImage({ cluster: node, name: 'mcp-clients', rootFolder: folder });
  return {
    image: reference,
    older: [...(await buildPythonCommand(older)), program],
    newer: [...(await buildPythonCommand(newer)), program],
  };
};
