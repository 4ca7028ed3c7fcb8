import type { Pod } from '../../lib/contract/pod.ts';
import { apply, kubectl, waitFor } from '../cluster/kubectl.ts';
import { exchangeToken } from '../stories/node.ts';
import { agentRole, cloud, cluster, createNamespace, readPod, stage } from '../stories/stage.ts';
import type { Place } from '../stories/stage.ts';
import type { ApiAnswer, ApiServer } from './api-server.ts';
import { BINDING, BOUND_ACCOUNT, changed, declaredPod, plainPod } from './base-pods.ts';
import type { Site } from './base-pods.ts';
import { callerOf, editorsOf, OWN_LABEL, plainEditorIn } from './editors.ts';
import type { Attack } from './table.ts';

/** Whoever sends attacks, and may edit in its namespace. */
export const EDITOR = callerOf({ as: 'editor' });

const FINALIZER = 'e2e.valetkey.dev/held';

/** A namespace, its editors, and the pods there that attacks are aimed at, all made by an editor. */
export type Besieged = {
  readonly site: Site;
  /** What came of making each pod. */
  readonly made: Readonly<Record<string, ApiAnswer>>;
  readonly places: {
    readonly agent: Place;
    readonly neighbour: Place;
    readonly deleted: Place;
    readonly closing: Place;
  };
  /** Exchange tokens of pods that ended since, by pod; none, where their node is not ours. */
  readonly endedTokens: () => Promise<Readonly<Record<string, string>>>;
  readonly release: () => Promise<void>;
};

/** Namespaces beside the story's own in which the editor may edit, too. */
const FURTHER = ['kube-system', stage.release.namespace];

export const besiege = async (
  { call }: Pick<ApiServer, 'call'>,
  attacks: readonly Attack[],
): Promise<Besieged> => {
  const namespace = await createNamespace('attacks');
  const site = { namespace, image: stage.images.agent, imagePullPolicy: stage.imagePullPolicy };
  const editors = FURTHER.map(plainEditorIn);
  await apply(cluster, [...editorsOf(attacks, namespace), ...editors]);
  await apply(cluster, boundAccount(namespace));
  const made: Record<string, ApiAnswer> = {};
  for (const [name, body] of Object.entries(podsOf(site))) {
    made[name] = await call(EDITOR, { method: 'POST', path: podsIn(namespace), body });
  }
  const place = (pod: string): Place => ({ namespace, pod });
  const places = {
    agent: place('victim'),
    neighbour: place('neighbour'),
    deleted: place('deleted'),
    closing: place('closing'),
  };
  return { site, made, places, endedTokens: () => endThem(places), release: () => release(places) };
};

export const podsIn = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;

const boundAccount = (namespace: string) => ({
  ...{ apiVersion: 'v1', kind: 'ServiceAccount' },
  metadata: { name: BOUND_ACCOUNT, namespace, annotations: BINDING },
});

/** By name: who is attacked, who stands beside, who ends, and who waits for a node. */
const podsOf = (site: Site): Readonly<Record<string, unknown>> => {
  const env = [
    { name: 'AWS_ENDPOINT_URL_S3', value: cloud.s3Endpoint },
    { name: 'AWS_REGION', value: cloud.region },
  ];
  const asking = (pod: Pod) =>
    changed(pod, [{ op: 'add', path: '/spec/containers/0/env', value: env }]);
  const declared = (name: string) => declaredPod(name, site, { role: agentRole() });
  return {
    victim: asking(declared('victim')),
    neighbour: asking(plainPod('neighbour', site)),
    ...(stage.node !== undefined && {
      deleted: declared('deleted'),
      closing: changed(declared('closing'), [
        { op: 'add', path: '/metadata/finalizers', value: [FINALIZER] },
      ]),
    }),
    waiting: changed(declared('waiting'), [
      { op: 'add', path: '/spec/schedulerName', value: 'nobody' },
    ]),
  };
};

/** Takes the tokens of those that are to end, and ends them. */
const endThem = async ({ deleted, closing }: Besieged['places']) => {
  const { node } = stage;
  if (node === undefined) return {};
  const [ofDeleted, ofClosing] = await Promise.all(
    [deleted, closing].map((place) => waitFor('its token', () => exchangeToken(node, place))),
  );
  await waitFor('its address', async () => {
    const { status } = await readPod<{ status: { podIP?: string } }>(closing.namespace, 'closing');
    return status.podIP !== undefined;
  });
  const remove = ({ namespace, pod }: Place, how: string[]) =>
    kubectl(cluster, ['delete', 'pod', pod, '-n', namespace, ...how]);
  await Promise.all([
    remove(deleted, ['--grace-period=0', '--force']),
    remove(closing, ['--wait=false']),
  ]);
  return { deleted: ofDeleted ?? '', closing: ofClosing ?? '' };
};

const release = async ({ closing }: Besieged['places']): Promise<void> => {
  const label = ['-l', `${OWN_LABEL}=true`];
  await kubectl(cluster, ['delete', 'clusterroles,clusterrolebindings', ...label]);
  await kubectl(cluster, ['delete', 'rolebindings', '--all-namespaces', ...label]);
  await kubectl(cluster, ['delete', 'pods', '-n', stage.release.namespace, ...label]);
  if (stage.node === undefined) return;
  const freed = JSON.stringify({ metadata: { finalizers: null } });
  const where = [closing.pod, '-n', closing.namespace];
  await kubectl(cluster, ['patch', 'pod', ...where, '--type=merge', '-p', freed]);
};
