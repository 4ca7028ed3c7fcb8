import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import type { Pod } from '../contract/pod.ts';
import { readAdmittedConsumers } from './consumers.ts';
import { listContainers, isNativeSidecar, type PlacedContainer } from './containers.ts';
import { SIDECAR_CONTAINER } from '../contract/names.ts';

/** Init containers that may not precede the sidecar but do: ordinary ones, and consumers. */
export const listMisplaced = (
  pod: Pod,
  sidecar: PlacedContainer,
  consumers: readonly string[],
): readonly PlacedContainer[] =>
  listContainers(pod)
    .filter(({ list, index }) => list === 'initContainers' && index < sidecar.index)
    .filter((each) => !isNativeSidecar(each) || consumers.includes(each.container.name));

/**
 * Moves an injected sidecar back before the containers that it must precede: some mutators (Kyverno's
 * strategic merge, for one) change the order of init containers.
 */
export const buildSidecarMove = (pod: Pod): readonly JsonPatchOp[] => {
  const sidecar = listContainers(pod).find(
    ({ list, container }) => list === 'initContainers' && container.name === SIDECAR_CONTAINER,
  );
  if (sidecar === undefined) return [];
  const [first] = listMisplaced(pod, sidecar, readAdmittedConsumers(pod) ?? []);
  if (first === undefined) return [];
  return [
    { op: 'remove', path: sidecar.path },
    { op: 'add', path: first.path, value: sidecar.container },
  ];
};
