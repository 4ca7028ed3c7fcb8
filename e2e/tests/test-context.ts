import { appendFileSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../test/kit/retry.ts';
import type { Cloud } from '../clouds/cloud.ts';
import { applyObjects, execInPod, getJson, runKubectl, waitForPod } from '../cluster/kubectl.ts';
import type { TestEnvironment } from '../test-environment.ts';
import { TEST_LABELS } from '../test-namespaces.ts';
import type { Release, Trust } from '../release.ts';

/** What the runner prepared for the tests: written as JSON, read once in each worker. */
export type TestContext = TestEnvironment & {
  /** The name of the matrix entry: `minio`, `rgw-cluster`. */
  entry: string;
  trust: Trust;
  /** The cloud of this entry, which the platform's settings name. */
  cloud: Cloud;
  release: Release;
  isFull: boolean;
};

const readTestContext = (): TestContext => {
  const file = process.env['VALETKEY_E2E_CONTEXT'];
  if (file === undefined)
    throw new Error('VALETKEY_E2E_CONTEXT: expected a file that `make e2e` writes, got none');
  return JSON.parse(readFileSync(file, 'utf8')) as TestContext;
};

export const testContext = readTestContext();
export const { cluster, cloud } = testContext;

/** A task declaration; its annotation is written as JSON, which is YAML. */
export type Declaration = {
  role?: string;
  allow: { actions: string[]; resources: string[] }[];
  lifetime?: string;
  [field: string]: unknown;
};

export const readReports: Declaration = {
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
};

/** Of a task with delivery `sign`. */
export const signReports: Declaration = { ...readReports, delivery: 'sign' };

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

/** Builds a pod of the agent image that follows rule 4, with the tasks as annotations. */
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
      buildAgentContainer(name, plan.command, usesGateway(plan) ? [] : CLOUD_ENDPOINT),
    ),
    ...plan.spec,
  },
});

/** Injection sets the endpoint of consumers of sign tasks, and refuses any other. */
const usesGateway = ({ tasks = {} }: PodPlan): boolean =>
  Object.values(tasks).some(({ delivery }) => delivery === 'sign');

/** Builds task annotations; the default role is the cloud's role for agents. */
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

const CLOUD_ENDPOINT = [{ name: 'AWS_ENDPOINT_URL_S3', value: cloud.s3Endpoint }];

/** Builds a container that waits for commands through exec. */
export const buildAgentContainer = (
  name: string,
  command: string[] = ['hold'],
  env = CLOUD_ENDPOINT,
) => ({
  name,
  image: testContext.images.agent,
  imagePullPolicy: testContext.imagePullPolicy,
  command: ['/usr/bin/node', '/app/agent.mjs', ...command],
  env,
  securityContext: { runAsNonRoot: true, runAsUser: 1000 },
});

/** Creates a namespace of this entry with service accounts, `agent` by default; replaces an earlier one. */
export const createNamespace = async (
  name: string,
  serviceAccounts = ['agent'],
): Promise<string> => {
  const namespace = `${name}-${testContext.entry}`;
  // On a cluster that is used repeatedly it may exist.
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

/** Creates the pod and waits until it is Ready. */
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

/** Calls the cloud from the consumer with an unmodified SDK. */
export const callCloudFromPod = async (
  { container = 'agent', ...place }: PodRef,
  operation: 'get' | 'put' | 'list',
  key: string,
  { bucket = 'acme-data', env }: { bucket?: string; env?: Record<string, string> } = {},
): Promise<CloudAnswer> => {
  const command = ['/usr/bin/node', '/app/agent.mjs', operation, bucket, key];
  // On standard input, because a command is recorded in the API server's audit log.
  const given = env === undefined ? {} : { input: JSON.stringify(env) };
  if (env !== undefined) command.push('-');
  const { stdout } = await execInPod(cluster, { container, ...place }, command, given);
  return JSON.parse(stdout) as CloudAnswer;
};

/** Calls the sidecar from the consumer over its socket. */
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

/** Whether a response only asks the client to repeat its request. */
const isLater = ({ status, headers }: SidecarAnswer<unknown>): boolean =>
  status === 503 && headers['retry-after'] !== undefined;

/** Calls the sidecar until the response is not 503 with Retry-After, which is correct on a slow machine. */
export const callSidecarWithRetry = <T = Record<string, unknown>>(
  place: PodRef,
  ...[method, path, body]: [method: string, path: string, body?: unknown]
): Promise<SidecarAnswer<T>> =>
  waitFor(`an answer to ${method} ${path}`, async () => {
    const answer = await callSidecarFromPod<T>(place, method, path, body);
    return !isLater(answer) && answer;
  });

/**
 * Reads an object in scope of the consumer's task with its SDK, until the cloud returns 200: on a slow
 * machine the first exchange may take longer than the SDK's own attempts.
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

/** Expects the API server to refuse these objects, and returns its message. */
export const expectApiRefusal = async (objects: object | object[]): Promise<string> => {
  try {
    await applyObjects(cluster, objects);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('expected a refusal by the API server; it accepted the objects');
};

export const readPod = <T>(namespace: string, pod: string): Promise<T> =>
  getJson<T>(cluster, ['pod', pod, '-n', namespace]);

export { runKubectl };

/** Credentials as the sidecar's responses contain them. */
export type CredentialKeys = { AccessKeyId: string; SecretAccessKey: string; Token: string };

/** Converts credentials to environment variables of an SDK, which never refreshes them. */
export const toEnvironment = ({ AccessKeyId, SecretAccessKey, Token }: CredentialKeys) => ({
  AWS_REGION: cloud.region,
  AWS_ACCESS_KEY_ID: AccessKeyId,
  AWS_SECRET_ACCESS_KEY: SecretAccessKey,
  AWS_SESSION_TOKEN: Token,
});
