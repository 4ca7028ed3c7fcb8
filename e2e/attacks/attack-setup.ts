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

/** The default sender of attacks, who may edit in its namespace. */
export const EDITOR = buildCaller({ as: 'editor' });

const FINALIZER = 'e2e.valetkey.dev/held';

/** A namespace, its editors, and the target pods of attacks, created by an editor. */
export type AttackSetup = {
  readonly podDefaults: PodDefaults;
  /** The response to the creation of each pod. */
  readonly createResponses: Readonly<Record<string, ApiServerResponse>>;
  readonly pods: {
    readonly agent: PodRef;
    readonly neighbor: PodRef;
    readonly deleted: PodRef;
    readonly terminating: PodRef;
  };
  /** Deletes pods and returns their exchange tokens by pod; empty on an external cluster. */
  readonly endedTokens: () => Promise<Readonly<Record<string, string>>>;
  readonly release: () => Promise<void>;
};

/** Further namespaces in which the editor may edit. */
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
    neighbor: place('neighbor'),
    deleted: place('deleted'),
    terminating: place('terminating'),
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

/** Target pods by name: the victim, a neighbor, pods that end, and one that is never scheduled. */
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
    neighbor: asking(buildPlainPod('neighbor', site)),
    ...(testContext.node !== undefined && {
      deleted: declared('deleted'),
      terminating: applyOperations(declared('terminating'), [
        { op: 'add', path: '/metadata/finalizers', value: [FINALIZER] },
      ]),
    }),
    waiting: applyOperations(declared('waiting'), [
      { op: 'add', path: '/spec/schedulerName', value: 'no-scheduler' },
    ]),
  };
};

/** Reads the tokens of two pods, then deletes the pods. */
const endTargetPods = async ({ deleted, terminating }: AttackSetup['pods']) => {
  const { node } = testContext;
  if (node === undefined) return {};
  const [ofDeleted, ofClosing] = await Promise.all(
    [deleted, terminating].map((place) =>
      waitFor('the exchange token', () => readExchangeToken(node, place)),
    ),
  );
  await waitFor('the address of the pod', async () => {
    const { status } = await readPod<{ status: { podIP?: string } }>(
      terminating.namespace,
      'terminating',
    );
    return status.podIP !== undefined;
  });
  const remove = ({ namespace, pod }: PodRef, how: string[]) =>
    runKubectl(cluster, ['delete', 'pod', pod, '-n', namespace, ...how]);
  await Promise.all([
    remove(deleted, ['--grace-period=0', '--force']),
    remove(terminating, ['--wait=false']),
  ]);
  return { deleted: ofDeleted ?? '', terminating: ofClosing ?? '' };
};

const releaseSetup = async ({ terminating }: AttackSetup['pods']): Promise<void> => {
  const label = ['-l', `${ATTACK_LABEL}=true`];
  await runKubectl(cluster, ['delete', 'clusterroles,clusterrolebindings', ...label]);
  await runKubectl(cluster, ['delete', 'rolebindings', '--all-namespaces', ...label]);
  await runKubectl(cluster, ['delete', 'pods', '-n', testContext.release.namespace, ...label]);
  if (testContext.node === undefined) return;
  const freed = JSON.stringify({ metadata: { finalizers: null } });
  const where = [terminating.pod, '-n', terminating.namespace];
  await runKubectl(cluster, ['patch', 'pod', ...where, '--type=merge', '-p', freed]);
};
