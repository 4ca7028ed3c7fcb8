import { INJECTED_LABEL, TASK_ANNOTATION_PREFIX } from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { sidecarsOf } from '../consumers.ts';
import { pointer } from '../json-patch.ts';
import type { Judge } from './rule.ts';

/**
 * Rule 8: what admission decided by does not change afterwards. pods/status and bindings are not
 * asked about: a webhook that is down there would stop every kubelet.
 */
export const judgeUpdates: Judge = (pod, { oldPod }) => {
  if (oldPod === undefined) {
    return [{ path: '(root)', expected: 'the pod as it was before', got: 'nothing' }];
  }
  const [before, after] = [fixedFields(oldPod), fixedFields(pod)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => changed(path, before.get(path), after.get(path)));
};

/** Values by JSON pointer. */
const fixedFields = (pod: Pod): ReadonlyMap<string, string | undefined> => {
  const annotations = Object.entries(pod.metadata?.annotations ?? {})
    .filter(([key]) => key.startsWith(TASK_ANNOTATION_PREFIX))
    .map(([key, value]) => [`/metadata/annotations${pointer(key)}`, value] as const);
  const images = sidecarsOf(pod).map(
    ({ path, container }) => [`${path}/image`, container.image] as const,
  );
  const label = pod.metadata?.labels?.[INJECTED_LABEL];
  return new Map([
    ...annotations,
    [`/metadata/labels${pointer(INJECTED_LABEL)}`, label],
    ...images,
  ]);
};

const changed = (path: string, before: string | undefined, after: string | undefined): Fault => ({
  path,
  expected: `${show(before)}, as it was admitted`,
  got: show(after),
});
