import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createEverything, requireKey, startServer } from '../cmd/sidecar/fixtures/mcp-servers.ts';
import { API_GROUP, API_VERSION, UPSTREAMS } from '../lib/contract/authority-api.ts';
import type { CleanupStack } from './cleanup-stack.ts';
import type { DemoCluster } from './demo-cluster.ts';
import type { Secret } from './secret-search.ts';

/** Namespace of the Secrets of Upstreams: the chart value `authority.secrets.namespace`. */
export const SECRETS_NAMESPACE = 'valetkey-upstreams';

/** A model API and an MCP server, each with a key of its own. */
export type DemoUpstreams = {
  /** `http://<address>:<port>` of the model API. */
  readonly modelUrl: string;
  /** Both keys, which only the Secrets, the authority and the sidecar may hold. */
  readonly keys: readonly Secret[];
  /** Paths of the calls that reached the model API with its key. */
  readonly listModelCalls: () => readonly string[];
  /** Names of the tools that the MCP server was asked to call. */
  readonly listToolCalls: () => readonly string[];
};

/**
 * Starts the servers and puts an Upstream and a Secret for each into the cluster.
 *
 * @param host where they listen: no loopback address, because the gateway sends nothing there
 */
export const startDemoUpstreams = async (
  host: string,
  cluster: DemoCluster,
  { defer }: Pick<CleanupStack, 'defer'>,
): Promise<DemoUpstreams> => {
  const [modelKey, toolsKey] = [createKey(), createKey()];
  const modelCalls: string[] = [];
  const toolCalls: string[] = [];
  const model = await startServer(requireKey(modelKey, answerAsModel(modelCalls)), host);
  defer(model.close);
  const { listener, cleanUp } = await createEverything();
  defer(cleanUp);
  const tools = await startServer(requireKey(toolsKey, recordTools(toolCalls, listener)), host);
  defer(tools.close);
  const modelUrl = new URL(model.url).origin;
  putUpstream(cluster, 'model-api', { url: modelUrl, key: modelKey });
  putUpstream(cluster, 'everything', { url: tools.url, key: toolsKey, protocol: 'mcp' });
  return {
    modelUrl,
    keys: [
      { description: 'the key of the model API', text: modelKey },
      { description: 'the key of the MCP server', text: toolsKey },
    ],
    listModelCalls: () => modelCalls,
    listToolCalls: () => toolCalls,
  };
};

const createKey = (): string => `demo-${randomBytes(24).toString('hex')}`;

/** Answers each call as the API of chat completions does. */
const answerAsModel =
  (calls: string[]): RequestListener =>
  (incoming, outgoing) => {
    calls.push(incoming.url ?? '');
    const message = { role: 'assistant', content: 'Sales grew.' };
    const answer = {
      ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 0, model: 'demo' },
      choices: [{ index: 0, finish_reason: 'stop', message }],
    };
    incoming.resume().once('end', () => {
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  };

/** The gateway writes both headers from the body that it decided on. */
const recordTools =
  (calls: string[], listener: RequestListener): RequestListener =>
  (incoming, outgoing) => {
    const { 'mcp-method': method, 'mcp-name': name } = incoming.headers;
    if (method === 'tools/call') calls.push(String(name));
    listener(incoming, outgoing);
  };

type UpstreamOptions = { readonly url: string; readonly key: string; readonly protocol?: string };

const putUpstream = (
  { apiServer: { objects } }: DemoCluster,
  name: string,
  { url, key, ...protocol }: UpstreamOptions,
): void => {
  const secret = `${name}-key`;
  objects.create(`/api/v1/namespaces/${SECRETS_NAMESPACE}/secrets/${secret}`, {
    metadata: { annotations: { 'valetkey.dev/origins': new URL(url).origin } },
    data: { token: Buffer.from(key).toString('base64') },
  });
  objects.create(`/apis/${API_GROUP}/${API_VERSION}/${UPSTREAMS}/${name}`, {
    spec: {
      ...{ url, allowHttp: true, privateAddresses: true, ...protocol },
      present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
      secret: { kubernetes: { name: secret, key: 'token' } },
    },
  });
};
