import type { JsonPatchOp } from '../contract/json-patch.ts';
import type { Pod } from '../contract/pod.ts';
import { apiTokenRemoval } from './api-token.ts';
import type { Fill } from './fills.ts';
import { escapeSegment } from './json-patch.ts';
import type { Equipment, Injection, Plan } from './plan.ts';

/**
 * Writes a plan as small operations on the raw pod. Paths hold in the order given: containers are
 * changed where they stand before the sidecar moves them.
 */
export const patchFor = (pod: Pod, { injection, fills }: Plan): readonly JsonPatchOp[] => [
  ...fills.flatMap(fillOps),
  ...(injection === undefined ? [] : injectionOps(pod, injection)),
];

const injectionOps = (pod: Pod, injection: Injection): readonly JsonPatchOp[] => {
  const { sidecar, index, volumes, consumers, label, removesApiToken } = injection;
  const labels = pod.metadata?.labels ?? undefined;
  return [
    ...(removesApiToken ? apiTokenRemoval(pod) : []),
    ...consumers.flatMap(equipmentOps),
    ...appendOps('/spec/volumes', pod.spec?.volumes, volumes),
    Array.isArray(pod.spec?.initContainers)
      ? add(`/spec/initContainers/${index}`, sidecar)
      : add('/spec/initContainers', [sidecar]),
    labels === undefined
      ? add('/metadata/labels', { [label.name]: label.value })
      : add(`/metadata/labels/${escapeSegment(label.name)}`, label.value),
  ];
};

const equipmentOps = ({ at, mount, env }: Equipment): readonly JsonPatchOp[] => [
  ...appendOps(`${at.path}/volumeMounts`, at.container.volumeMounts, [mount]),
  ...appendOps(`${at.path}/env`, at.container.env, env),
];

const fillOps = ({ at, values }: Fill): readonly JsonPatchOp[] => {
  const path = `${at.path}/securityContext`;
  if (at.container.securityContext === undefined) return [add(path, values)];
  return Object.entries(values).map(([name, value]) => add(`${path}/${name}`, value));
};

const appendOps = (
  path: string,
  list: readonly unknown[] | null | undefined,
  values: readonly unknown[],
): readonly JsonPatchOp[] => {
  if (values.length === 0) return [];
  return list ? values.map((value) => add(`${path}/-`, value)) : [add(path, values)];
};

const add = (path: string, value: unknown): JsonPatchOp => ({ op: 'add', path, value });
