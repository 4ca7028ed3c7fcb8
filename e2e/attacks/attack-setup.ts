import { waitFor } from '../../test/kit/retry.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { applyObjects, runKubectl } from '../cluster/kubectl.ts';
import { readExchangeToken } from '../tests/node-access.ts';
import {
  getAgentRole,
  cloud,
  cluster,
  createNamespace,
  readPod,
  testContext,
} from '../tests/test-context.ts';
import type { PodRef } from '../tests/test-context.ts';
import type { ApiServerResponse, ApiServerClient } from './api-server-client.ts';
import {
  BOUND_ROLE_ANNOTATION,
  BOUND_ACCOUNT,
  applyOperations,
  buildDeclaredPod,
  buildPlainPod,
} from './base-pods.ts';
import type { PodDefaults } from './base-pods.ts';
import {
  buildCaller,
  buildEditorObjects,
  ATTACK_LABEL,
  buildEditorBinding,
} from './attack-users.ts';
import type { Attack } from './attack-table.ts';

/** Whoever sends attacks, and may edit in its namespace. */
export const EDITOR = buildCaller({ as: 'editor' });

const FINALIZER = 'e2e.valetkey.dev/held';

/** A namespace, its editors, and the pods there that attacks are aimed at, all made by an editor. */
export type AttackSetup = {
  readonly podDefaults: PodDefaults;
  /** What came of making each pod. */
  readonly createResponses: Readonly<Record<string, ApiServerResponse>>;
  readonly pods: {
    readonly agent: PodRef;
    readonly neighbour: PodRef;
    readonly deleted: PodRef;
    readonly closing: PodRef;
  };
  /** Exchange tokens of pods that ended since, by pod; none, where their node is not ours. */
  readonly endedTokens: () => Promise<Readonly<Record<string, string>>>;
  readonly release: () => Promise<void>;
};

/** Namespaces beside the story's own in which the editor may edit, too. */
const OTHER_NAMESPACES = ['kube-system', testContext.release.namespace];

export const createAttackSetup = async (
  { call }: Pick<ApiServerClient, 'call'>,
  attacks: readonly Attack[],
): Promise<AttackSetup> => {
  const namespace = await createNamespace('attacks');
  const podDefaults = {
    namespace,
    image: testContext.images.agent,
    imagePullPolicy: testContext.imagePullPolicy,
  };
  const editors = OTHER_NAMESPACES.map(buildEditorBinding);
  await applyObjects(cluster, [...buildEditorObjects(attacks, namespace), ...editors]);
  await applyObjects(cluster, buildBoundAccount(namespace));
  const createResponses: Record<string, ApiServerResponse> = {};
  for (const [name, body] of Object.entries(buildTargetPods(podDefaults))) {
    createResponses[name] = await call(EDITOR, {
      method: 'POST',
      path: buildPodsPath(namespace),
      body,
    });
  }
  const place = (pod: string): PodRef => ({ namespace, pod });
  const pods = {
    agent: place('victim'),
    neighbour: place('neighbour'),
    deleted: place('deleted'),
    closing: place('closing'),
  };
  return {
    podDefaults,
    createResponses,
    pods,
    endedTokens: () => endTargetPods(pods),
    release: () => releaseSetup(pods),
  };
};

export const buildPodsPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;

const buildBoundAccount = (namespace: string) => ({
  ...{ apiVersion: 'v1', kind: 'ServiceAccount' },
  metadata: { name: BOUND_ACCOUNT, namespace, annotations: BOUND_ROLE_ANNOTATION },
});

/** By name: who is attacked, who stands beside, who ends, and who waits for a node. */
const buildTargetPods = (site: PodDefaults): Readonly<Record<string, unknown>> => {
  const env = [
    { name: 'AWS_ENDPOINT_URL_S3', value: cloud.s3Endpoint },
    { name: 'AWS_REGION', value: cloud.region },
  ];
  const asking = (pod: Pod) =>
    applyOperations(pod, [{ op: 'add', path: '/spec/containers/0/env', value: env }]);
  const declared = (name: string) => buildDeclaredPod(name, site, { role: getAgentRole() });
  return {
    victim: asking(declared('victim')),
    neighbour: asking(buildPlainPod('neighbour', site)),
    ...(testContext.node !== undefined && {
      deleted: declared('deleted'),
      closing: applyOperations(declared('closing'), [
        { op: 'add', path: '/metadata/finalizers', value: [FINALIZER] },
      ]),
    }),
    waiting: applyOperations(declared('waiting'), [
      { op: 'add', path: '/spec/schedulerName', value: 'nobody' },
    ]),
  };
};

/** Takes the tokens of those that are to end, and ends them. */
const endTargetPods = async ({ deleted, closing }: AttackSetup['pods']) => {
  const { node } = testContext;
  if (node === undefined) return {};
  const [ofDeleted, ofClosing] = await Promise.all(
    [deleted, closing].map((place) => waitFor('its token', () => readExchangeToken(node, place))),
  );
  await waitFor('its address', async () => {
    const { status } = await readPod<{ status: { podIP?: string } }>(closing.namespace, 'closing');
    return status.podIP !== undefined;
  });
  const remove = ({ namespace, pod }: PodRef, how: string[]) =>
    runKubectl(cluster, ['delete', 'pod', pod, '-n', namespace, ...how]);
  await Promise.all([
    remove(deleted, ['--grace-period=0', '--force']),
    remove(closing, ['--wait=false']),
  ]);
  return { deleted: ofDeleted ?? '', closing: ofClosing ?? '' };
};

const releaseSetup = async ({ closing }: AttackSetup['pods']): Promise<void> => {
  const label = ['-l', `${ATTACK_LABEL}=true`];
  await runKubectl(cluster, ['delete', 'clusterroles,clusterrolebindings', ...label]);
  await runKubectl(cluster, ['delete', 'rolebindings', '--all-namespaces', ...label]);
  await runKubectl(cluster, ['delete', 'pods', '-n', testContext.release.namespace, ...label]);
  if (testContext.node === undefined) return;
  const freed = JSON.stringify({ metadata: { finalizers: null } });
  const where = [closing.pod, '-n', closing.namespace];
  await runKubectl(cluster, ['patch', 'pod', ...where, '--type=merge', '-p', freed]);
};
