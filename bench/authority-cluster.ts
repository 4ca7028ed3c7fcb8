import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { API_GROUP, API_VERSION, TASK_POLICIES } from '../lib/contract/authority-api.ts';
import { SIDECAR_ENV } from '../lib/contract/environment.ts';
import { INSTALLED, INJECTION_TEMPLATES_CONFIG_MAP } from '../lib/contract/names.ts';
import type { EnvVar, Pod } from '../lib/contract/pod.ts';
import type { AdmittedTasks } from '../lib/contract/task.ts';
import { toEnvironmentJson } from '../lib/injection/injection-template.ts';
import { STARTER_POLICY } from '../lib/policy/starter-policy.ts';
import {
  startEmbeddedApiServer,
  type EmbeddedApiServer,
} from '../test/fakes/api-server/embedded-api-server.ts';
import { listStoredObjectPaths } from '../test/kit/stored-objects.ts';

/** Namespace of the pods that ask. */
const NAMESPACE = 'live';
const ACCOUNT = 'agent';
/** Policies of teams beside the starter; each is evaluated for each run. */
const TEAMS = 9;

type CapturedPod = { readonly templates: Record<string, string>; readonly pod: Pod };

/** A pod as a real API server had it, injected, and the template that it was injected from. */
const capturedPod = JSON.parse(
  readFileSync(join(import.meta.dirname, '../lib/injection/fixtures/live-pod.json'), 'utf8'),
) as CapturedPod;

/** The task that the captured pod was admitted for; its two consumers may run it. */
export const TASK = { task: 'summarize', consumer: 'agent' } as const;

/** An embedded API server that contains policies, an injection template, and as many pods as are asked for. */
export async function startBenchApiServer(): Promise<EmbeddedApiServer> {
  const cluster = await startEmbeddedApiServer(Date.now);
  const { create } = cluster.objects;
  const templates = `/configmaps/${INJECTION_TEMPLATES_CONFIG_MAP}`;
  for (const path of listStoredObjectPaths(INSTALLED.namespace)) {
    create(path, path.endsWith(templates) ? { data: capturedPod.templates } : {});
  }
  createNamespace(cluster, NAMESPACE);
  const policies = `/apis/${API_GROUP}/${API_VERSION}/${TASK_POLICIES}`;
  create(`${policies}/starter`, { spec: { cedar: STARTER_POLICY } });
  for (let team = 1; team <= TEAMS; team += 1) {
    create(`${policies}/team-${team}`, { spec: { cedar: buildTeamPolicy(team) } });
  }
  return cluster;
}

const buildTeamPolicy = (team: number): string => `permit (
  principal in Namespace::"team-${team}",
  action == Action::"run",
  resource == Task::"summarize"
)
when {
  context.action == "s3:GetObject" && context.resource like "arn:aws:s3:::team-${team}/*"
};`;

/** Makes a namespace that may run tasks, and the service account of its pods. */
export function createNamespace({ objects }: EmbeddedApiServer, namespace: string): void {
  objects.create(`/api/v1/namespaces/${namespace}`, {
    metadata: { labels: { 'valetkey.dev/tasks': 'allowed', team: 'research' } },
  });
  objects.create(`/api/v1/namespaces/${namespace}/serviceaccounts/${ACCOUNT}`, {});
}

/** The captured pod's task as it would be with `delivery: sign`, so that its calls can be gated; also for writes. */
export const SIGNED_TASKS: AdmittedTasks = {
  ...readPodTasks(),
  tasks: readPodTasks().tasks.map((task) => ({
    ...task,
    delivery: 'sign',
    allow: task.allow.map((statement) => ({
      ...statement,
      actions: ['s3:GetObject', 's3:PutObject'],
    })),
  })),
};

const CALLS_POLICY = `/apis/${API_GROUP}/${API_VERSION}/${TASK_POLICIES}/calls`;

/** Policies about calls, so that the gateway asks the authority about every write of {@link SIGNED_TASKS}. */
export const putCallPolicy = (
  { objects }: EmbeddedApiServer,
  options: CallPolicyOptions = { hasFinals: true },
): void => {
  const spec = { cedar: buildCallPolicy(options) };
  if (objects.get(CALLS_POLICY) === undefined) objects.create(CALLS_POLICY, { spec });
  else objects.replace(CALLS_POLICY, { spec });
};

type CallPolicyOptions = {
  /** Also a policy whose gate denies without the authority. */
  readonly hasFinals: boolean;
};

const buildCallPolicy = ({ hasFinals }: CallPolicyOptions): string => {
  const large = buildForbid('large-writes', 'context has bytes && context.bytes > 1000000');
  const finals = buildForbid(
    'finals',
    'context.resource like "arn:aws:s3:::acme-data/reports/final/*"',
  );
  return hasFinals ? `${large}\n${finals}` : large;
};

const buildForbid = (id: string, condition: string): string => `@id("${id}")
forbid (principal, action == Action::"call", resource)
when { ${condition} && context.accessLevels.contains("Write") };`;

export type PodOptions = { readonly namespace?: string; readonly admitted?: AdmittedTasks };

/** Makes a pod and answers its projected token, as a kubelet would ask for it. */
export async function createPod(
  cluster: EmbeddedApiServer,
  name: string,
  { namespace = NAMESPACE, admitted }: PodOptions = {},
): Promise<string> {
  const { labels, annotations } = capturedPod.pod.metadata ?? {};
  cluster.objects.create(`/api/v1/namespaces/${namespace}/pods/${name}`, {
    ...capturedPod.pod,
    metadata: { name, labels, annotations },
    spec: { ...buildPodSpec(admitted), nodeName: 'node-1' },
    status: { phase: 'Running', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] },
  });
  return createToken(cluster, name, namespace);
}

/** Answers another projected token of a pod, as the kubelet asks for it before the last one expires. */
export async function createToken(
  cluster: EmbeddedApiServer,
  name: string,
  namespace = NAMESPACE,
): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${ACCOUNT}/token`;
  const spec = {
    audiences: ['authority.valetkey.dev'],
    expirationSeconds: 600,
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name },
  };
  const { status, body } = await cluster.request('POST', path, { spec });
  if (status !== 201) throw new Error(`a token for ${name}: expected 201, got ${status}`);
  return (body as { readonly status: { readonly token: string } }).status.token;
}

const buildPodSpec = (admitted: AdmittedTasks | undefined): Pod['spec'] => {
  const { spec } = capturedPod.pod;
  if (admitted === undefined) return spec;
  const replaceTasks = (variable: EnvVar): EnvVar =>
    variable.name === SIDECAR_ENV.tasks
      ? { ...variable, value: toEnvironmentJson(admitted) }
      : variable;
  return {
    ...spec,
    initContainers: (spec?.initContainers ?? []).map((container) => ({
      ...container,
      env: (container.env ?? []).map(replaceTasks),
    })),
  };
};

/**
 * The admitted tasks in the captured pod's sidecar environment.
 *
 * @param lifetimeSeconds of their runs; default: as captured
 */
export function readPodTasks(lifetimeSeconds?: number): AdmittedTasks {
  const [sidecar] = capturedPod.pod.spec?.initContainers ?? [];
  const text = sidecar?.env?.find(({ name }) => name === SIDECAR_ENV.tasks)?.value ?? '';
  const admitted = JSON.parse(text) as AdmittedTasks;
  if (lifetimeSeconds === undefined) return admitted;
  return { ...admitted, tasks: admitted.tasks.map((task) => ({ ...task, lifetimeSeconds })) };
}
