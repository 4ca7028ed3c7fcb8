import type { KubernetesObject } from '../../charts/objects.ts';
import { apply, getJson, kubectl, waitFor } from '../cluster/kubectl.ts';
import { CommandError } from '../cluster/run.ts';
import { agentRole, cloud, cluster, createNamespace, stage } from '../stories/stage.ts';
import { readManifest } from './manifests.ts';
import { EDITOR, platformObjects, PRIORITY_CLASS } from './platform.ts';
import { WORKLOADS } from './workloads.ts';
import type { Place, Workload } from './workloads.ts';

export type Scene = {
  readonly namespaces: Readonly<Record<Place, string>>;
  /** As kubectl names objects: `deployment.apps/deployment`. */
  readonly created: readonly string[];
  /** What the API server said of the others. */
  readonly refusals: string;
};

const asEditor = ['--as', EDITOR, '--as-group', 'system:authenticated'];

/** Creates every workload at once, as its editor; of one that is refused its own test tells. */
export const deployAll = async (): Promise<Scene> => {
  const [team, restricted, quota] = await Promise.all([
    createNamespace('team'),
    createNamespace('team-restricted'),
    createNamespace('team-quota'),
  ]);
  const namespaces = { team, restricted, quota };
  await prepare(namespaces);
  const objects = WORKLOADS.flatMap((workload) => objectsOf(workload, namespaces));
  const said = await create(objects);
  const cronJobs = objects.filter(({ kind }) => kind === 'CronJob');
  await Promise.all(cronJobs.map(startByHand));
  return { namespaces, ...said };
};

/** Takes away what is not in a namespace, and has the rest go. */
export const clearAway = async ({ namespaces }: Scene): Promise<void> => {
  await offerStorage(null);
  await kubectl(cluster, ['delete', 'namespace', ...Object.values(namespaces), '--wait=false']);
  await kubectl(cluster, ['delete', 'priorityclass', PRIORITY_CLASS]);
};

const prepare = async (namespaces: Scene['namespaces']): Promise<void> => {
  await apply(cluster, platformObjects(namespaces));
  const enforced = 'pod-security.kubernetes.io/enforce=restricted';
  await kubectl(cluster, ['label', 'namespace', namespaces.restricted, enforced]);
  await offerStorage('1Gi');
  await waitFor('the quota to be counted', async () => {
    const quota = ['resourcequota', 'quota', '-n', namespaces.quota];
    const { status } = await getJson<{ status: { hard?: object } }>(cluster, quota);
    return status.hard !== undefined;
  });
  for (const namespace of Object.values(namespaces))
    await waitFor(`rights in ${namespace}`, () =>
      kubectl(cluster, ['auth', 'can-i', 'create', 'pods', '-n', namespace, ...asEditor]),
    );
};

/** The kubelet of our own node measures no disk, and so has none to offer. */
const offerStorage = async (amount: string | null): Promise<void> => {
  if (stage.node === undefined) return;
  const resources = { 'ephemeral-storage': amount };
  const patch = JSON.stringify({ status: { capacity: resources, allocatable: resources } });
  const args = ['patch', 'node', stage.node.nodeName, '--subresource=status', '--type=merge'];
  await kubectl(cluster, [...args, '-p', patch]);
};

const objectsOf = (
  { name, place = 'team' }: Workload,
  namespaces: Scene['namespaces'],
): readonly KubernetesObject[] => {
  const { s3Endpoint } = cloud;
  const site = { image: stage.images.agent, role: agentRole(), s3Endpoint };
  const namespace = namespaces[place];
  return readManifest(name, site).map((object) => ({
    ...object,
    metadata: { ...object.metadata, namespace },
  }));
};

const create = async (items: KubernetesObject[]) => {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const args = ['create', '-f', '-', '-o', 'name', ...asEditor];
  const said = await kubectl(cluster, args, { input }).catch((error: unknown) => {
    if (error instanceof CommandError) return error;
    throw error;
  });
  const told = said.stderr.split('\n').filter((line) => !line.startsWith('Warning: '));
  return { created: said.stdout.trim().split('\n'), refusals: told.join('\n') };
};

const startByHand = ({ metadata: { name, namespace = '' } }: KubernetesObject) => {
  const job = ['create', 'job', `${name}-by-hand`, `--from=cronjob/${name}`];
  return kubectl(cluster, [...job, '-n', namespace, ...asEditor]);
};

/** The objects of a workload that the API server refused. */
export const refusedOf = (workload: Workload, { namespaces, created }: Scene): readonly string[] =>
  objectsOf(workload, namespaces)
    .map(referenceOf)
    .filter((reference) => !created.includes(reference));

const referenceOf = ({ apiVersion, kind, metadata }: KubernetesObject): string => {
  const [group, version] = apiVersion.split('/');
  const type = version === undefined ? kind : `${kind}.${group ?? ''}`;
  return `${type.toLowerCase()}/${metadata.name}`;
};
