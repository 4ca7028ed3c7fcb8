import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import type { Pod } from '../contract/pod.ts';
import { buildApiTokenRemoval } from './api-token.ts';
import type { SecurityDefaults } from './security-defaults.ts';
import { escapeSegment } from './json-patch.ts';
import type { ConsumerAdditions, Injection, InjectionPlan } from './injection-plan.ts';

/**
 * Turns a plan into small operations on the raw pod. Paths are valid in this order: containers are
 * changed before the sidecar shifts their indexes.
 */
export const buildPatch = (
  pod: Pod,
  { injection, securityDefaults }: InjectionPlan,
): readonly JsonPatchOp[] => [
  ...securityDefaults.flatMap(buildSecurityDefaultOps),
  ...(injection === undefined ? [] : buildInjectionOps(pod, injection)),
];

const buildInjectionOps = (pod: Pod, injection: Injection): readonly JsonPatchOp[] => {
  const { sidecar, index, volumes, consumers, label, isApiTokenRemoved } = injection;
  const pullSecrets = injection.pullSecrets.map((name) => ({ name }));
  const labels = pod.metadata?.labels ?? undefined;
  return [
    ...(isApiTokenRemoved ? buildApiTokenRemoval(pod, injection.isApiTokenContainer) : []),
    ...consumers.flatMap(buildConsumerOps),
    ...buildAppendOps('/spec/volumes', pod.spec?.volumes, volumes),
    ...buildAppendOps('/spec/imagePullSecrets', pod.spec?.imagePullSecrets, pullSecrets),
    ...injection.podResources,
    Array.isArray(pod.spec?.initContainers)
      ? buildAddOp(`/spec/initContainers/${index}`, sidecar)
      : buildAddOp('/spec/initContainers', [sidecar]),
    labels === undefined
      ? buildAddOp('/metadata/labels', { [label.name]: label.value })
      : buildAddOp(`/metadata/labels/${escapeSegment(label.name)}`, label.value),
  ];
};

const buildConsumerOps = ({
  at,
  mount,
  env,
  replaced,
}: ConsumerAdditions): readonly JsonPatchOp[] => [
  // "add" replaces a member that exists.
  ...replaced.map(({ index, value }) => buildAddOp(`${at.path}/env/${index}/value`, value)),
  ...buildAppendOps(`${at.path}/volumeMounts`, at.container.volumeMounts, [mount]),
  ...buildAppendOps(`${at.path}/env`, at.container.env, env),
];

const buildSecurityDefaultOps = ({ at, values }: SecurityDefaults): readonly JsonPatchOp[] => {
  const path = `${at.path}/securityContext`;
  if (at.container.securityContext === undefined) return [buildAddOp(path, values)];
  return Object.entries(values).map(([name, value]) => buildAddOp(`${path}/${name}`, value));
};

const buildAppendOps = (
  path: string,
  list: readonly unknown[] | null | undefined,
  values: readonly unknown[],
): readonly JsonPatchOp[] => {
  if (values.length === 0) return [];
  return list ? values.map((value) => buildAddOp(`${path}/-`, value)) : [buildAddOp(path, values)];
};

const buildAddOp = (path: string, value: unknown): JsonPatchOp => ({ op: 'add', path, value });
