import { appendFileSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../test/kit/retry.ts';
import type { Cloud } from '../clouds/cloud.ts';
import { applyObjects, execInPod, getJson, runKubectl, waitForPod } from '../cluster/kubectl.ts';
import type { TestEnvironment } from '../test-environment.ts';
import type { Release, Trust } from '../release.ts';

/** What the runner prepared and every story finds: written as JSON, read once in each worker. */
export type TestContext = TestEnvironment & {
  /** Its name: `minio`, `rgw-cluster`. */
  entry: string;
  trust: Trust;
  /** The one of its clouds that the platform's settings name during this pass. */
  cloud: Cloud;
  release: Release;
  isFull: boolean;
};

const readTestContext = (): TestContext => {
  const file = process.env['VALETKEY_E2E_CONTEXT'];
  if (file === undefined) throw new Error('stories are run by `make e2e`, which sets the stage');
  return JSON.parse(readFileSync(file, 'utf8')) as TestContext;
};

export const testContext = readTestContext();
export const { cluster, cloud } = testContext;

/** A declared task, as its author would write it; JSON is YAML. */
export type Declaration = {
  role?: string;
  allow: { actions: string[]; resources: string[] }[];
  lifetime?: string;
  [field: string]: unknown;
};

export const readReports: Declaration = {
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
};

export type PodPlan = {
  name: string;
  namespace: string;
  serviceAccount?: string;
  tasks?: Record<string, Declaration>;
  /** Container names; each runs the agent image. */
  containers?: string[];
  command?: string[];
  /** Merged over the pod's spec. */
  spec?: Record<string, unknown>;
};

/** A pod of the agent image, restricted as rule 4 asks, with the tasks as annotations. */
export const buildAgentPod = (plan: PodPlan) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: plan.name,
    namespace: plan.namespace,
    annotations: buildTaskAnnotations(plan.tasks ?? {}),
  },
  spec: {
    serviceAccountName: plan.serviceAccount ?? 'agent',
    terminationGracePeriodSeconds: 2,
    containers: (plan.containers ?? ['agent']).map((name) =>
      buildAgentContainer(name, plan.command),
    ),
    ...plan.spec,
  },
});

/** Annotations for tasks; the role is the cloud's unless the declaration names one. */
export const buildTaskAnnotations = (tasks: Record<string, Declaration>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(tasks).map(([task, declaration]) => [
      `task.valetkey.dev/${task}`,
      JSON.stringify({ role: getAgentRole(), lifetime: '5m', ...declaration }),
    ]),
  );

export const getAgentRole = (): string => {
  const role = cloud.roles['agent-reports'];
  if (role === undefined) throw new Error(`${cloud.name} has no role agent-reports`);
  return role;
};

/** A container that holds until exec asks it to do something. */
export const buildAgentContainer = (name: string, command: string[] = ['hold']) => ({
  name,
  image: testContext.images.agent,
  imagePullPolicy: testContext.imagePullPolicy,
  command: ['/usr/bin/node', '/app/agent.mjs', ...command],
  env: [{ name: 'AWS_ENDPOINT_URL_S3', value: cloud.s3Endpoint }],
  securityContext: { runAsNonRoot: true, runAsUser: 1000 },
});

/** On every namespace of a story: a pass clears away its own, and the starter policy lets tasks run. */
const TEST_LABELS = { 'e2e.valetkey.dev/test': 'true', 'valetkey.dev/tasks': 'allowed' };

/** A namespace of the story's own, with the service account `agent` (and others that it names). */
export const createNamespace = async (
  name: string,
  serviceAccounts = ['agent'],
): Promise<string> => {
  const namespace = `${name}-${testContext.entry}`;
  // A cluster that was used before has it still.
  await runKubectl(cluster, ['delete', 'namespace', namespace, '--ignore-not-found']);
  await applyObjects(cluster, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: TEST_LABELS } },
    ...serviceAccounts.map((account) => ({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: account, namespace },
    })),
  ]);
  await waitFor('the default service account', () =>
    runKubectl(cluster, ['get', 'serviceaccount', 'default', '-n', namespace]),
  );
  return namespace;
};

/** Applies the pod and waits until it is Ready. */
export const runPod = async (plan: PodPlan): Promise<void> => {
  await applyObjects(cluster, buildAgentPod(plan));
  await waitForPod(cluster, { namespace: plan.namespace, pod: plan.name }, { timeoutMs: 150_000 });
};

export type CloudAnswer = { status: number; code?: string; message?: string };
export type SidecarAnswer<T = Record<string, unknown>> = {
  status: number;
  headers: Record<string, string>;
  body: T;
};

export type PodRef = { namespace: string; pod: string; container?: string };

/** Has the consumer ask the cloud through its unmodified SDK. */
export const callCloudFromPod = async (
  { container = 'agent', ...place }: PodRef,
  operation: 'get' | 'put' | 'list',
  key: string,
  { bucket = 'acme-data', env }: { bucket?: string; env?: Record<string, string> } = {},
): Promise<CloudAnswer> => {
  const command = ['/usr/bin/node', '/app/agent.mjs', operation, bucket, key];
  // By standard input: what stands in a command stands in the API server's audit log, too.
  const given = env === undefined ? {} : { input: JSON.stringify(env) };
  if (env !== undefined) command.push('-');
  const { stdout } = await execInPod(cluster, { container, ...place }, command, given);
  return JSON.parse(stdout) as CloudAnswer;
};

/** Has the consumer ask its sidecar over the socket. */
export const callSidecarFromPod = async <T = Record<string, unknown>>(
  { container = 'agent', ...place }: PodRef,
  method: string,
  path: string,
  body?: unknown,
): Promise<SidecarAnswer<T>> => {
  const command = ['/usr/bin/node', '/app/agent.mjs', 'call', method, path];
  const given = body === undefined ? {} : { input: JSON.stringify(body) };
  if (body !== undefined) command.push('-');
  const { stdout } = await execInPod(cluster, { container, ...place }, command, given);
  const answer = JSON.parse(stdout) as SidecarAnswer<T>;
  recordIssued(answer.body);
  return answer;
};

/** Whether an answer says no more than to ask again later. */
const isLater = ({ status, headers }: SidecarAnswer<unknown>): boolean =>
  status === 503 && headers['retry-after'] !== undefined;

/** Asks as a client does that heeds Retry-After: 503 is a correct answer on a slow machine. */
export const callSidecarWithRetry = <T = Record<string, unknown>>(
  place: PodRef,
  ...[method, path, body]: [method: string, path: string, body?: unknown]
): Promise<SidecarAnswer<T>> =>
  waitFor(`an answer to ${method} ${path}`, async () => {
    const answer = await callSidecarFromPod<T>(place, method, path, body);
    return !isLater(answer) && answer;
  });

/**
 * Reads an object in scope of the consumer's task, through its SDK, until the cloud answers 200: on a
 * slow machine the first exchange may take longer than an SDK's own tries.
 */
export const expectRead = (place: PodRef, key = 'reports/q3.csv'): Promise<true> =>
  waitFor(`${place.pod} to read ${key}`, async () => {
    const answer = await callCloudFromPod(place, 'get', key);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer));
    return true;
  });

const issuedFile = join(testContext.folder, `issued-${testContext.entry}.txt`);

/** Records the secrets of a response; `secrecy.e2e.ts` searches for all of them later. */
export const recordIssued = (body: unknown): void => {
  const { credentials = body } = (body ?? {}) as { credentials?: unknown };
  const { SecretAccessKey, Token } = (credentials ?? {}) as Record<string, string | undefined>;
  if (SecretAccessKey === undefined || Token === undefined) return;
  recordSecrets(SecretAccessKey, Token);
};

/** Records secrets that must not be found anywhere later. */
export const recordSecrets = (...secrets: string[]): void => {
  appendFileSync(issuedFile, secrets.map((secret) => `${secret}\n`).join(''));
};

/** Reads every secret that was issued to a test, in this matrix entry and in those before it. */
export const readIssuedSecrets = (): string[] =>
  globSync(join(testContext.folder, 'issued-*.txt')).flatMap((file) =>
    readFileSync(file, 'utf8').trim().split('\n'),
  );

/** What the API server says when it refuses; fails when it does not refuse. */
export const expectApiRefusal = async (objects: object | object[]): Promise<string> => {
  try {
    await applyObjects(cluster, objects);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('the API server accepted what it should have refused');
};

export const readPod = <T>(namespace: string, pod: string): Promise<T> =>
  getJson<T>(cluster, ['pod', pod, '-n', namespace]);

export { runKubectl };

/** As the sidecar's answers have them. */
export type CredentialKeys = { AccessKeyId: string; SecretAccessKey: string; Token: string };

/** The keys as an SDK takes them from its environment: no provider will refresh them. */
export const toEnvironment = ({ AccessKeyId, SecretAccessKey, Token }: CredentialKeys) => ({
  AWS_REGION: cloud.region,
  AWS_ACCESS_KEY_ID: AccessKeyId,
  AWS_SECRET_ACCESS_KEY: SecretAccessKey,
  AWS_SESSION_TOKEN: Token,
});
