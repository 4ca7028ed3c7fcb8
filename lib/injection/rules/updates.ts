import { INJECTED_LABEL, TASK_ANNOTATION_PREFIX } from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { listSidecars } from '../consumers.ts';
import { toJsonPointer } from '../json-patch.ts';
import type { RuleCheck } from './rule.ts';

/**
 * Rule 8: what admission decided by does not change afterwards. pods/status and bindings are not
 * asked about: a webhook that is down there would stop every kubelet.
 */
export const checkUpdates: RuleCheck = (pod, { oldPod }) => {
  if (oldPod === undefined) {
    return [{ path: '(root)', expected: 'the pod as it was before', got: 'nothing' }];
  }
  const [before, after] = [listFixedFields(oldPod), listFixedFields(pod)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => buildChangeError(path, before.get(path), after.get(path)));
};

/** Values by JSON pointer. */
const listFixedFields = (pod: Pod): ReadonlyMap<string, string | undefined> => {
  const annotations = Object.entries(pod.metadata?.annotations ?? {})
    .filter(([key]) => key.startsWith(TASK_ANNOTATION_PREFIX))
    .map(([key, value]) => [`/metadata/annotations${toJsonPointer(key)}`, value] as const);
  const images = listSidecars(pod).map(
    ({ path, container }) => [`${path}/image`, container.image] as const,
  );
  const label = pod.metadata?.labels?.[INJECTED_LABEL];
  return new Map([
    ...annotations,
    [`/metadata/labels${toJsonPointer(INJECTED_LABEL)}`, label],
    ...images,
  ]);
};

const buildChangeError = (
  path: string,
  before: string | undefined,
  after: string | undefined,
): FieldError => ({
  path,
  expected: `${formatValue(before)}, as it was admitted`,
  got: formatValue(after),
});
