import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { JSONWebKeySet } from 'jose';

import {
  PATHS,
  buildLivePod,
  buildPlatformText,
  buildTask,
  startAuthorityHarness,
  type AuthorityHarness,
  type Replica,
} from '../../cmd/authority/fixtures/authority-harness.ts';
import { waitUntil } from '../kit/retry.ts';
import { createCredentialSource } from '../../cmd/sidecar/credential-source.ts';
import {
  createPodFolder,
  sendRequest,
  startTestSidecar,
} from '../../cmd/sidecar/fixtures/test-sidecar.ts';
import { JWKS_PATH } from '../../lib/contract/authority-api.ts';
import type { Task } from '../../lib/contract/task.ts';
import { sendToEndpoint } from '../kit/https-server.ts';

/** A real authority and a real sidecar of one pod, in this process; the API server is a fake. */
export type CallThrough = {
  readonly harness: AuthorityHarness;
  readonly replica: Replica;
  /** Base URL of the task for clients. */
  readonly baseUrl: string;
  /** The consumer's own token: what an unmodified client takes for its key. */
  readonly apiKey: string;
  /** File with it, as the consumer mounts it. */
  readonly tokenFile: string;
  readonly call: (path: string, init?: RequestInit) => Promise<Response>;
  /** Starts a run with params. @returns its base URL and ID */
  readonly startRun: (params: Record<string, string>) => Promise<{ run: string; baseUrl: string }>;
  readonly endRun: (run: string) => Promise<number>;
  /** Ends the sidecar, as the kubelet does. */
  readonly stopSidecar: () => Promise<void>;
  readonly readMetrics: () => Promise<string>;
  /** The keys that servers verify grants with. */
  readonly readJwks: () => Promise<JSONWebKeySet>;
  /** What a secret must not be in: logs, records, events, metrics, journal, objects, environment. */
  readonly listTraces: () => Promise<Readonly<Record<string, string>>>;
  readonly close: () => Promise<void>;
};

const UPSTREAM = 'model-api';
const SECRETS_NAMESPACE = 'valetkey-upstreams';

/** Stores a Secret for Upstreams in the fake API server. */
export const putSecret = (
  harness: AuthorityHarness,
  { name, origins, data }: { name: string; origins: string; data: Record<string, string> },
): void =>
  harness.api.put(`/api/v1/namespaces/${SECRETS_NAMESPACE}/secrets/${name}`, {
    metadata: { name, annotations: { 'valetkey.dev/origins': origins } },
    data: Object.fromEntries(
      Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
    ),
  });

export const putUpstream = (harness: AuthorityHarness, spec: object, name = UPSTREAM): void => {
  const present = { header: { name: 'authorization', template: 'Bearer {secret}' } };
  harness.api.put(`${PATHS.upstreams}/${name}`, {
    metadata: { name, uid: `uid-${name}`, generation: 1 },
    spec: { present, allowHttp: true, privateAddresses: true, ...spec },
  });
};

/** The issuer of the authority's grants, and the keys that verify them. */
export const readIssuer = async ({
  readJwks,
}: CallThrough): Promise<{ issuer: string; keys: readonly KeyObject[] }> => ({
  issuer: 'https://localhost',
  keys: (await readJwks()).keys.map((key) => createPublicKey({ key, format: 'jwk' })),
});

/**
 * Starts both programs for one task of provider `http`.
 *
 * @param prepare puts the Upstream and its Secrets
 */
export const startCallThrough = async (
  prepare: (harness: AuthorityHarness) => void,
  task: object,
  { tagParams = [] }: { readonly tagParams?: readonly string[] } = {},
): Promise<CallThrough> => {
  const harness = await startAuthorityHarness();
  prepare(harness);
  const containers = ['agent', 'helper'];
  const shared = {
    provider: 'http',
    delivery: 'sign',
    role: UPSTREAM,
    client: 'openai',
    containers,
  };
  const tasks = [buildTask({ name: 'chat', ...shared, ...task })] as unknown as readonly Task[];
  harness.api.put(PATHS.pod, buildLivePod({ consumers: containers, tasks }));
  const platform = buildPlatformText(
    harness.sts.port,
    `  tagParams: ${JSON.stringify(tagParams)}`,
  ).replaceAll(/https:\/\/valetkey-authority[^\n]*/g, 'https://localhost');
  const config = harness.configure({ VALETKEY_SECRETS_NAMESPACE: SECRETS_NAMESPACE }, platform);
  const replica = await harness.start(config);
  await replica.waitUntilReady();
  const lists = `GET ${PATHS.upstreams}`;
  await waitUntil(() => (harness.api.requests.includes(lists) ? true : undefined));

  const bundle = harness.api.get(PATHS.trustBundle)?.['data'] as Record<string, string>;
  const endpoint = `https://localhost:${replica.authority.ports().https}`;
  const pod = createPodFolder(tasks);
  writeFileSync(join(pod.folder, 'token'), await harness.podToken());
  const journal: string[] = [];
  const environment = {
    VALETKEY_TRUST: 'authority',
    VALETKEY_AUTHORITY: JSON.stringify({ endpoint, roots: bundle['ca-bundle.pem'] }),
    VALETKEY_GATEWAY: JSON.stringify({
      ...{ region: 'eu-central-1', dialect: 'aws' },
      ...{ maxBodyBytes: 1_048_576, bufferBytes: 1_048_576 },
    }),
  };
  const sidecar = await startTestSidecar({
    ...{ tasks, pod, environment, createSource: createCredentialSource },
    write: (line, done) => {
      journal.push(line);
      done();
    },
  });
  let stopping: Promise<void> | undefined;
  const stopSidecar = () => (stopping ??= sidecar.stop());
  const tokenFile = join(sidecar.folder, 'agent', 'token');
  const apiKey = readFileSync(tokenFile, 'utf8');
  const baseUrl = `http://127.0.0.1:${sidecar.gatewayPort}/t/chat`;
  const askSidecar = (path: string, method: string, body?: object) =>
    sendRequest({
      ...{ port: sidecar.loopbackPort, path, method },
      headers: { Authorization: apiKey, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const readMetrics = async () => (await replica.telemetry('/metrics')).text;
  return {
    ...{ harness, replica, baseUrl, apiKey, tokenFile, stopSidecar, readMetrics },
    readJwks: async () => {
      const { body } = await sendToEndpoint({
        ...{ method: 'GET', url: `${endpoint}${JWKS_PATH}`, headers: {} },
        ...{ caBundle: bundle['ca-bundle.pem'] ?? '', timeoutMs: 5_000, maxBodyBytes: 65_536 },
      });
      return JSON.parse(body) as JSONWebKeySet;
    },
    call: (path, init = {}) =>
      fetch(path.startsWith('http') ? path : `${baseUrl}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${apiKey}` },
      }),
    startRun: async (params) => {
      const { text } = await askSidecar('/v1/tasks/chat/runs', 'POST', { params });
      return JSON.parse(text) as { run: string; baseUrl: string };
    },
    endRun: async (run) => (await askSidecar(`/v1/runs/${run}`, 'DELETE')).status,
    listTraces: async () => ({
      ...{ journal: journal.join(''), sidecarLog: sidecar.lines.join('\n') },
      authorityLog: JSON.stringify(harness.lines),
      records: JSON.stringify(harness.records()),
      authorityMetrics: await readMetrics(),
      sidecarMetrics: (
        await sendRequest({ port: sidecar.telemetryPort, path: '/metrics' }).catch(() => ({
          text: '',
        }))
      ).text,
      environment: JSON.stringify([sidecar.environment, environment, process.env]),
      objects: JSON.stringify(
        harness.api
          .all()
          .filter(({ path }) => !path.startsWith(`/api/v1/namespaces/${SECRETS_NAMESPACE}/`)),
      ),
    }),
    close: async () => {
      await stopSidecar();
      sidecar.remove();
      await harness.close();
    },
  };
};
