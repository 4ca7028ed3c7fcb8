import { waitFor } from '../../test/kit/retry.ts';
import type { KubernetesObject } from '../../test/kit/kubernetes-objects.ts';
import { applyObjects, getJson, runKubectl } from '../cluster/kubectl.ts';
import { CommandError } from '../cluster/command.ts';
import {
  getAgentRole,
  cloud,
  cluster,
  createNamespace,
  testContext,
} from '../tests/test-context.ts';
import { readManifest } from './workload-manifests.ts';
import { EDITOR, buildNamespaceObjects, PRIORITY_CLASS } from './namespace-objects.ts';
import { WORKLOADS } from './workloads.ts';
import type { NamespaceKind, Workload } from './workloads.ts';

export type DeployedWorkloads = {
  readonly namespaces: Readonly<Record<NamespaceKind, string>>;
  /** As kubectl names objects: `deployment.apps/deployment`. */
  readonly created: readonly string[];
  /** What the API server said of the others. */
  readonly refusals: string;
};

const EDITOR_ARGS = ['--as', EDITOR, '--as-group', 'system:authenticated'];

/** Creates every workload at once, as its editor; of one that is refused its own test tells. */
export const deployWorkloads = async (): Promise<DeployedWorkloads> => {
  const [team, restricted, quota] = await Promise.all([
    createNamespace('team'),
    createNamespace('team-restricted'),
    createNamespace('team-quota'),
  ]);
  const namespaces = { team, restricted, quota };
  await prepareNamespaces(namespaces);
  const objects = WORKLOADS.flatMap((workload) => buildObjects(workload, namespaces));
  const said = await createObjects(objects);
  const cronJobs = objects.filter(({ kind }) => kind === 'CronJob');
  await Promise.all(cronJobs.map(startCronJob));
  return { namespaces, ...said };
};

/** Takes away what is not in a namespace, and has the rest go. */
export const deleteWorkloads = async ({ namespaces }: DeployedWorkloads): Promise<void> => {
  await setNodeStorage(null);
  await runKubectl(cluster, ['delete', 'namespace', ...Object.values(namespaces), '--wait=false']);
  await runKubectl(cluster, ['delete', 'priorityclass', PRIORITY_CLASS]);
};

const prepareNamespaces = async (namespaces: DeployedWorkloads['namespaces']): Promise<void> => {
  await applyObjects(cluster, buildNamespaceObjects(namespaces));
  const enforced = 'pod-security.kubernetes.io/enforce=restricted';
  await runKubectl(cluster, ['label', 'namespace', namespaces.restricted, enforced]);
  await setNodeStorage('1Gi');
  await waitFor('the quota to be counted', async () => {
    const quota = ['resourcequota', 'quota', '-n', namespaces.quota];
    const { status } = await getJson<{ status: { hard?: object } }>(cluster, quota);
    return status.hard !== undefined;
  });
  for (const namespace of Object.values(namespaces))
    await waitFor(`rights in ${namespace}`, () =>
      runKubectl(cluster, ['auth', 'can-i', 'create', 'pods', '-n', namespace, ...EDITOR_ARGS]),
    );
};

/** The kubelet of our own node measures no disk, and so has none to offer. */
const setNodeStorage = async (amount: string | null): Promise<void> => {
  if (testContext.node === undefined) return;
  const resources = { 'ephemeral-storage': amount };
  const patch = JSON.stringify({ status: { capacity: resources, allocatable: resources } });
  const args = ['patch', 'node', testContext.node.nodeName, '--subresource=status', '--type=merge'];
  await runKubectl(cluster, [...args, '-p', patch]);
};

const buildObjects = (
  { name, namespaceKind = 'team' }: Workload,
  namespaces: DeployedWorkloads['namespaces'],
): readonly KubernetesObject[] => {
  const { s3Endpoint } = cloud;
  const site = { image: testContext.images.agent, role: getAgentRole(), s3Endpoint };
  const namespace = namespaces[namespaceKind];
  return readManifest(name, site).map((object) => ({
    ...object,
    metadata: { ...object.metadata, namespace },
  }));
};

const createObjects = async (items: KubernetesObject[]) => {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const args = ['create', '-f', '-', '-o', 'name', ...EDITOR_ARGS];
  const said = await runKubectl(cluster, args, { input }).catch((error: unknown) => {
    if (error instanceof CommandError) return error;
    throw error;
  });
  const told = said.stderr.split('\n').filter((line) => !line.startsWith('Warning: '));
  return { created: said.stdout.trim().split('\n'), refusals: told.join('\n') };
};

const startCronJob = ({ metadata: { name, namespace = '' } }: KubernetesObject) => {
  const job = ['create', 'job', `${name}-by-hand`, `--from=cronjob/${name}`];
  return runKubectl(cluster, [...job, '-n', namespace, ...EDITOR_ARGS]);
};

/** The objects of a workload that the API server refused. */
export const listRefusedObjects = (
  workload: Workload,
  { namespaces, created }: DeployedWorkloads,
): readonly string[] =>
  buildObjects(workload, namespaces)
    .map(formatReference)
    .filter((reference) => !created.includes(reference));

const formatReference = ({ apiVersion, kind, metadata }: KubernetesObject): string => {
  const [group, version] = apiVersion.split('/');
  const type = version === undefined ? kind : `${kind}.${group ?? ''}`;
  return `${type.toLowerCase()}/${metadata.name}`;
};
