import type { Container } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { sidecarsOf } from '../consumers.ts';
import { pointer } from '../json-patch.ts';
import { isSameQuantity } from '../quantity.ts';
import type { Judge } from './rule.ts';

/** Rule 10: nobody starves the sidecar, or feeds it, after it was judged equal to its profile. */
export const judgeResizes: Judge = (pod, { oldPod }) =>
  oldPod === undefined
    ? []
    : sidecarsOf(pod).flatMap(({ container, path, list }) => {
        const before = sidecarsOf(oldPod).find((each) => each.list === list)?.container;
        return before === undefined ? [] : amounts(before, container, path);
      });

const amounts = (before: Container, after: Container, path: string): readonly Fault[] =>
  (['requests', 'limits'] as const).flatMap((group) => {
    const [old, now] = [before.resources?.[group] ?? {}, after.resources?.[group] ?? {}];
    return [...new Set([...Object.keys(old), ...Object.keys(now)])]
      .filter((name) => !isSameQuantity(old[name], now[name]))
      .map((name) => ({
        path: `${path}/resources/${group}${pointer(name)}`,
        expected: `${show(old[name])}, as it was admitted`,
        got: show(now[name]),
      }));
  });
