import {
  Client as NegotiatingClient,
  StreamableHTTPClientTransport as NegotiatingTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

type ToolCall = { name: string; arguments: Record<string, unknown> };
type OnProgress = (update: { progress: number }) => void;

/** What both versions of the SDK are used for. */
type ToolClient = {
  listNames: () => Promise<string[]>;
  call: (call: ToolCall, onprogress: OnProgress) => Promise<Record<string, unknown>>;
  close: () => Promise<void>;
};

const info = { name: 'e2e', version: '1' };

type Target = { url: URL; requestInit: { headers: Record<string, string> } };

const getNames = ({ tools }: { tools: readonly { name: string }[] }): string[] =>
  tools.map(({ name }) => name).sort();

/** Version 1: sessions. */
const connectOlder = async ({ url, requestInit }: Target): Promise<ToolClient> => {
  const client = new Client(info);
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  return {
    listNames: async () => getNames(await client.listTools()),
    call: (call, onprogress) => client.callTool(call, undefined, { onprogress }),
    close: () => client.close(),
  };
};

/** Version 2. @param mode `auto`: what the server offers; or a version of MCP without sessions */
const connectNewer = async ({ url, requestInit }: Target, mode: string): Promise<ToolClient> => {
  const versionNegotiation = { mode: mode === 'auto' ? ('auto' as const) : { pin: mode } };
  const client = new NegotiatingClient(info, { versionNegotiation });
  await client.connect(new NegotiatingTransport(url, { requestInit }));
  return {
    listNames: async () => getNames(await client.listTools()),
    call: (call, onprogress) => client.callTool(call, { onprogress }),
    close: () => client.close(),
  };
};

const callTool = async (client: ToolClient, call: ToolCall) => {
  const progress: number[] = [];
  const answer = await client.call(call, (update) => progress.push(update.progress));
  const contents = answer['content'] as readonly { text?: string }[];
  const text = contents.map((content) => content.text ?? '').join('');
  return { isError: answer['isError'] === true, text, progress };
};

/**
 * Lists the tools of an MCP server and calls those of a plan.
 *
 * @param mode `legacy`: the SDK of version 1; otherwise the mode of version 2
 * @param plan JSON: a list of `{name, arguments}`
 */
export const useMcpServer = async (
  base: string,
  { token, mode, plan }: { token: string; mode: string; plan: string },
) => {
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  const target = { url: new URL(base), requestInit };
  const client = await (mode === 'legacy' ? connectOlder(target) : connectNewer(target, mode));
  try {
    const names = await client.listNames();
    const calls = [];
    for (const call of JSON.parse(plan) as ToolCall[]) calls.push(await callTool(client, call));
    return { names, calls };
  } finally {
    await client.close();
  }
};
