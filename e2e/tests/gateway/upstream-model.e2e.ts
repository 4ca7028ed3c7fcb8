import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ignoreMissing, listFilesBelow } from '../../../test/kit/files.ts';
import { getJson, runKubectl } from '../../cluster/kubectl.ts';
import { UPSTREAM_SECRETS } from '../../release.ts';
import {
  findProcessId,
  listContainerProcesses,
  readContainerStatus,
  readPodUid,
  readSidecarStatus,
} from '../node-access.ts';
import { cluster, createNamespace, runPod, testContext } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import { readProcessEnvironment, searchMemory } from './process-memory.ts';
import {
  buildBearerSpec,
  callUpstream,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
  serveOnNode,
  type NodeServer,
} from './upstream-objects.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine, to read its memory');

const key = `sk-e2e-${randomBytes(24).toString('hex')}`;
const MODEL = 'e2e-model';
const PARTS = ['A ', 'few ', 'words.'];
/** Tokens of each answer, and of the runs of one task: fewer than two answers have. */
const ANSWER_TOKENS = 8;
const BUDGET_TOKENS = 12;

const completion = { id: 'chat-1', created: 1, model: MODEL };

const sendEvents = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const content of PARTS) {
    const choices = [{ index: 0, delta: { content } }];
    const event = { ...completion, object: 'chat.completion.chunk', choices };
    response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
  response.end('data: [DONE]\n\n');
};

const sendJson = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

const answerChat = (response: ServerResponse, isStream: boolean): void => {
  if (isStream) {
    sendEvents(response);
    return;
  }
  const message = { role: 'assistant', content: PARTS.join('') };
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: ANSWER_TOKENS };
  sendJson(response, 200, { ...completion, object: 'chat.completion', choices, usage });
};

/** A stub: the service of a vendor cannot be reached from a test. It accepts only the real key. */
const createModelApi =
  (seen: string[]): RequestListener =>
  (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    void readText(request).then((body) => {
      const isKnown = request.headers.authorization === `Bearer ${key}`;
      if (isKnown) answerChat(response, (JSON.parse(body) as { stream?: boolean }).stream === true);
      else sendJson(response, 401, { error: { message: 'wrong key' } });
    });
  };

const holdsKey = (text: string): boolean =>
  [key, Buffer.from(key).toString('base64')].some((form) => text.includes(form));

const findHolders = (files: readonly string[]): string[] =>
  files.filter((file) => holdsKey(ignoreMissing(() => readFileSync(file, 'latin1')) ?? ''));

type StoredObject = { kind: string; metadata: { namespace?: string; name: string } };

/** Reads every object that the API server can list. */
const readAllObjects = async (): Promise<StoredObject[]> => {
  const { stdout } = await runKubectl(cluster, ['api-resources', '--verbs=list,get', '-o', 'name']);
  const resources = stdout.trim().split('\n');
  return (await getJson<{ items: StoredObject[] }>(cluster, [resources.join(','), '-A'])).items;
};

describe('a pod whose model API key the gateway presents', () => {
  const place: PodRef = { namespace: '', pod: 'asking' };
  const upstream = getUpstreamName('model');
  const seen: string[] = [];
  let api: NodeServer;

  beforeAll(async () => {
    api = await serveOnNode(createServer(createModelApi(seen)));
    const { origin } = api;
    const spec = { ...buildBearerSpec(upstream, origin), models: [MODEL] };
    await createUpstream(upstream, { spec, secret: { text: key, origin } });
    place.namespace = await createNamespace('model');
    const allow = [{ actions: ['http:POST'], resources: [`${origin}/v1/chat/completions`] }];
    const shared = { provider: 'http', role: upstream, delivery: 'sign', allow };
    await runPod({
      ...{ name: place.pod, namespace: place.namespace },
      tasks: {
        chat: { ...shared, client: 'openai' },
        short: { ...shared, budget: { tokens: BUDGET_TOKENS } },
      },
    });
  });

  afterAll(async () => {
    await deleteUpstream(upstream);
    await api.close();
  });

  it('gets an answer with the unmodified SDK', async () => {
    expect(await callUpstream(place, 'chat')).toEqual({ text: PARTS.join('') });
  });

  it('gets a stream of events', async () => {
    expect(await callUpstream(place, 'stream')).toEqual({ parts: PARTS });
  });

  it('is refused another path, which the API never sees', async () => {
    const { status, message } = await callUpstream<{ status: number; message: string }>(
      place,
      'models',
    );
    expect(status).toBe(403);
    expect(message).toContain('valetkey: ');
    expect(message).toContain('outside task chat');
    expect(new Set(seen)).toEqual(new Set(['POST /v1/chat/completions']));
  });

  it('is refused a model that its Upstream does not list, by an error that the SDK reads', async () => {
    const before = seen.length;
    expect(await callUpstream(place, 'ask', 'chat', 'other-model')).toEqual({
      ...{ status: 403, code: 'model_outside', type: 'valetkey' },
      message: expect.stringContaining(`expected one of the models ${MODEL}`),
    });
    expect(seen.length).toBe(before);
  });

  it('is refused calls from when the tokens of its answers exceed the budget of its run', async () => {
    const ask = () => callUpstream<{ code?: string }>(place, 'ask', 'short', MODEL);
    expect(await ask()).toEqual({ text: PARTS.join('') });
    // What this one used is known when it ends.
    await ask();
    const before = seen.length;
    expect(await ask()).toMatchObject({ status: 403, code: 'budget_exceeded' });
    expect(seen.length).toBe(before);
    // Of this task alone.
    expect(await callUpstream(place, 'ask', 'chat', MODEL)).toEqual({ text: PARTS.join('') });
  });

  it('has the key in the memory of its sidecar alone, and in no environment', async () => {
    const sidecar = await findProcessId(node, await readSidecarStatus(place));
    expect(searchMemory(sidecar, [key]).found).toEqual([key]);
    const agent = await findProcessId(node, await readContainerStatus(place));
    const processes = listContainerProcesses(agent);
    expect(processes.map((id) => searchMemory(id, [key]).found)).toEqual(processes.map(() => []));
    const environment = [sidecar, ...processes].map(readProcessEnvironment).join('\n');
    expect(environment).toContain('OPENAI_BASE_URL');
    expect(holdsKey(environment)).toBe(false);
  });

  it('has the key in no volume and in no log of a program', async () => {
    const volumes = listFilesBelow(join(node.podsFolder, await readPodUid(place)));
    const logs = [...listFilesBelow(node.podLogsFolder), ...listFilesBelow(node.logsFolder)];
    expect(volumes.some((file) => file.endsWith('/token'))).toBe(true);
    expect(logs.some((file) => file.includes(place.namespace))).toBe(true);
    expect(findHolders([...volumes, ...logs, node.auditLog])).toEqual([]);
  });

  it('has the key in no Kubernetes object but its Secret', async () => {
    const objects = await readAllObjects();
    const kinds = new Set(objects.map(({ kind }) => kind));
    expect(['ConfigMap', 'Event', 'Pod', 'Upstream'].filter((kind) => !kinds.has(kind))).toEqual(
      [],
    );
    const holders = objects.filter((object) => holdsKey(JSON.stringify(object)));
    expect(
      holders.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`),
    ).toEqual([`Secret ${UPSTREAM_SECRETS}/${upstream}`]);
  });
});
