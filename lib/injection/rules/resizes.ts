import type { Container } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { listSidecars } from '../consumers.ts';
import { toJsonPointer } from '../json-patch.ts';
import { isSameQuantity } from '../quantity.ts';
import type { RuleCheck } from './rule.ts';

/** Rule 10: nobody starves the sidecar, or feeds it, after it was judged equal to its profile. */
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
