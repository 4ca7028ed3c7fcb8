import { mayBeAddedToSidecar } from '../config/environment-review.ts';
import type { AllowedChanges, SidecarResources } from '../contract/platform.ts';
import {
  allowDefault,
  compareByKey,
  allowListedValues,
  buildMismatch,
  type FieldComparison,
  type FieldComparisons,
} from './equality.ts';
import { toJsonPointer } from './json-patch.ts';
import { isSameQuantity, readQuantity } from './quantity.ts';

/**
 * Lists what may differ between the injected sidecar and the one in the final pod: what the API server
 * and in-tree admission plugins set, and what the platform accepts from other mutators. Everything
 * else must be equal.
 */
export const allowedSidecarDifferences = (accept: AllowedChanges): FieldComparisons => ({
  '/image': allowListedValues(accept.images),
  // Set by the AlwaysPullImages plugin, without risk.
  '/imagePullPolicy': allowListedValues(['Always']),
  '/terminationMessagePath': allowDefault('/dev/termination-log'),
  '/terminationMessagePolicy': allowDefault('File'),
  '/startupProbe/httpGet/scheme': allowDefault('HTTP'),
  '/startupProbe/successThreshold': allowDefault(1),
  '/env': compareByKey('name', ({ name }) => isAllowedEnv(String(name), accept)),
  '/env/*/value': compareInjectedValue,
  '/env/*/valueFrom/fieldRef/apiVersion': allowDefault('v1'),
  '/ports/*/protocol': allowDefault('TCP'),
  '/volumeMounts': compareByKey('mountPath'),
  '/resizePolicy': compareResizePolicy,
  '/resources/requests': compareQuantities({ accept, others: ['ephemeral-storage'] }),
  // A LimitRange adds missing limits.
  '/resources/limits': compareQuantities({ accept, others: ['cpu', 'ephemeral-storage'] }),
});

/** The same for the injected volumes. */
export const ALLOWED_VOLUME_DIFFERENCES: FieldComparisons = {
  '/projected/defaultMode': allowDefault(0o644),
  '/emptyDir/sizeLimit': (expected, actual, at) =>
    isSameQuantity(expected, actual) ? [] : [buildMismatch(expected, actual, at)],
};

const isAllowedEnv = (name: string, { env }: AllowedChanges): boolean =>
  env.includes(name) && mayBeAddedToSidecar(name);

/** Long texts may look equal once truncated, so their lengths are reported. */
const compareInjectedValue: FieldComparison = (expected, actual, at) => {
  if ((expected ?? '') === (actual ?? '')) return [];
  const isLong = [expected, actual].some((each) => typeof each === 'string' && each.length > 60);
  if (!isLong) return [buildMismatch(expected, actual, at)];
  const [expectedLength, actualLength] = [expected, actual].map((each) =>
    typeof each === 'string' ? each.length : 0,
  );
  const got = `another value (${actualLength ?? 0} characters)`;
  return [
    {
      path: at.path,
      expected: `the value that is injected (${expectedLength ?? 0} characters)`,
      got,
    },
  ];
};

/** Some versions of the API server state that a resize needs no restart. */
const compareResizePolicy: FieldComparison = (expected, actual, at) => {
  const isHarmless =
    Array.isArray(actual) &&
    actual.every((each: unknown) => {
      const { resourceName, restartPolicy } = (each ?? {}) as Record<string, unknown>;
      return (
        (resourceName === 'cpu' || resourceName === 'memory') && restartPolicy === 'NotRequired'
      );
    });
  return actual === undefined || isHarmless ? [] : [buildMismatch(expected, actual, at)];
};

type Amounts = Readonly<Record<string, unknown>>;

/** Compares amounts, up to the platform's maximum, and accepts `others`, which injection may not set. */
const compareQuantities =
  ({ accept, others }: { accept: AllowedChanges; others: readonly string[] }): FieldComparison =>
  (expected, actual, at) => {
    const injected = (expected ?? {}) as Amounts;
    const found = (actual ?? {}) as Amounts;
    return [...new Set([...Object.keys(injected), ...Object.keys(found)])].flatMap((name) => {
      const isAccepted = Object.hasOwn(injected, name)
        ? isWithinRange(injected[name], found[name], getMaxResource(accept.maxResources, name))
        : others.includes(name) && readQuantity(found[name]) !== undefined;
      return isAccepted
        ? []
        : [
            buildMismatch(injected[name], found[name], {
              path: `${at.path}${toJsonPointer(name)}`,
            }),
          ];
    });
  };

const getMaxResource = (max: SidecarResources | undefined, name: string): string | undefined =>
  (max as Readonly<Record<string, string>> | undefined)?.[name];

const isWithinRange = (least: unknown, actual: unknown, max: string | undefined): boolean => {
  if (isSameQuantity(least, actual)) return true;
  const [low, amount, high] = [least, actual, max].map(readQuantity);
  if (low === undefined || amount === undefined || high === undefined) return false;
  return low <= amount && amount <= high;
};
