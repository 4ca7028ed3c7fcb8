import { INJECTED_LABEL, TASK_ANNOTATION_PREFIX } from '../../contract/names.ts';
import type { Container, Pod } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { listSidecars } from '../consumers.ts';
import { toJsonPointer } from '../json-patch.ts';
import { isSameQuantity } from '../../schema/quantity.ts';
import type { RuleCheck } from './rule.ts';

/**
 * Rule 8: the fields that admission depends on do not change. The webhook is not called for
 * pods/status and bindings: if it were down, every kubelet would stop.
 */
export const checkUpdates: RuleCheck = (pod, { oldPod }) => {
  if (oldPod === undefined) {
    return [{ path: '(root)', expected: 'the pod before the update', got: 'nothing' }];
  }
  const [before, after] = [listFixedFields(oldPod), listFixedFields(pod)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => buildChangeError(path, before.get(path), after.get(path)));
};

/** Field values by JSON pointer. */
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
  ...(path.startsWith('/metadata/annotations/') && { hint: LATE_TASK_HINT }),
});

/** Claims of a warm pool write annotations on running pods. */
const LATE_TASK_HINT =
  'declare tasks in the template of the workload or of the pool; what differs for each claim is a param of a run (docs/warm-pools.md)';

/** Rule 10: the resources of the sidecar stay as they were when it was compared with its template. */
export const checkResizes: RuleCheck = (pod, { oldPod }) =>
  oldPod === undefined
    ? []
    : listSidecars(pod).flatMap(({ container, path, list }) => {
        const before = listSidecars(oldPod).find((each) => each.list === list)?.container;
        return before === undefined ? [] : compareResources(before, container, path);
      });

const compareResources = (
  before: Container,
  after: Container,
  path: string,
): readonly FieldError[] =>
  (['requests', 'limits'] as const).flatMap((group) => {
    const [old, now] = [before.resources?.[group] ?? {}, after.resources?.[group] ?? {}];
    return [...new Set([...Object.keys(old), ...Object.keys(now)])]
      .filter((name) => !isSameQuantity(old[name], now[name]))
      .map((name) => ({
        path: `${path}/resources/${group}${toJsonPointer(name)}`,
        expected: `${formatValue(old[name])}, as it was admitted`,
        got: formatValue(now[name]),
      }));
  });
