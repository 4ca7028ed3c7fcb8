import type { Accept, SidecarResources } from '../contract/platform.ts';
import {
  byDefault,
  byKey,
  orOneOf,
  unequal,
  type Comparison,
  type Comparisons,
} from './equality.ts';
import { pointer } from './json-patch.ts';
import { isSameQuantity, readQuantity } from './quantity.ts';

/** Names that load code, add trust, steer an SDK or are ours: no setting of a platform admits them. */
const NEVER_ACCEPTED_ENV = /^(VALETKEY_|NODE_|LD_|AWS_|SSL|OPENSSL_|UV_|MALLOC_)/i;

/**
 * What may differ between the sidecar that we inject and the one that arrives: what the API server
 * and in-tree admission plugins write, and what the platform accepts from other mutators. All else
 * is equal.
 */
export const sidecarTolerance = (accept: Accept): Comparisons => ({
  '/image': orOneOf(accept.images),
  // The AlwaysPullImages plugin writes it, and it weakens nothing.
  '/imagePullPolicy': orOneOf(['Always']),
  '/terminationMessagePath': byDefault('/dev/termination-log'),
  '/terminationMessagePolicy': byDefault('File'),
  '/startupProbe/httpGet/scheme': byDefault('HTTP'),
  '/startupProbe/successThreshold': byDefault(1),
  '/env': byKey('name', ({ name }) => isAcceptedEnv(String(name), accept)),
  '/env/*/value': asInjected,
  '/env/*/valueFrom/fieldRef/apiVersion': byDefault('v1'),
  '/ports/*/protocol': byDefault('TCP'),
  '/volumeMounts': byKey('mountPath'),
  '/resizePolicy': withoutRestart,
  '/resources/requests': quantities({ accept, others: ['ephemeral-storage'] }),
  // A LimitRange adds limits that are not set.
  '/resources/limits': quantities({ accept, others: ['cpu', 'ephemeral-storage'] }),
});

/** The same for our volumes. */
export const VOLUME_TOLERANCE: Comparisons = {
  '/projected/defaultMode': byDefault(0o644),
  '/emptyDir/sizeLimit': (expected, actual, at) =>
    isSameQuantity(expected, actual) ? [] : [unequal(expected, actual, at)],
};

const isAcceptedEnv = (name: string, { env }: Accept): boolean =>
  env.includes(name) && !NEVER_ACCEPTED_ENV.test(name);

/** Two long texts look alike where they are cut: their lengths say more. */
const asInjected: Comparison = (expected, actual, at) => {
  if ((expected ?? '') === (actual ?? '')) return [];
  const isLong = [expected, actual].some((each) => typeof each === 'string' && each.length > 60);
  if (!isLong) return [unequal(expected, actual, at)];
  const [ours, theirs] = [expected, actual].map((each) =>
    typeof each === 'string' ? each.length : 0,
  );
  const got = `another one (${theirs ?? 0} characters)`;
  return [{ path: at.path, expected: `the value that is injected (${ours ?? 0} characters)`, got }];
};

/** Some versions of the API server write down that a resize needs no restart. */
const withoutRestart: Comparison = (expected, actual, at) => {
  const isHarmless =
    Array.isArray(actual) &&
    actual.every((each: unknown) => {
      const { resourceName, restartPolicy } = (each ?? {}) as Record<string, unknown>;
      return (
        (resourceName === 'cpu' || resourceName === 'memory') && restartPolicy === 'NotRequired'
      );
    });
  return actual === undefined || isHarmless ? [] : [unequal(expected, actual, at)];
};

type Amounts = Readonly<Record<string, unknown>>;

/** Ours as amounts, or more where the platform accepts more; and `others`, which we may not set. */
const quantities =
  ({ accept, others }: { accept: Accept; others: readonly string[] }): Comparison =>
  (expected, actual, at) => {
    const ours = (expected ?? {}) as Amounts;
    const found = (actual ?? {}) as Amounts;
    return [...new Set([...Object.keys(ours), ...Object.keys(found)])].flatMap((name) => {
      const isFine = Object.hasOwn(ours, name)
        ? isWithin(ours[name], found[name], most(accept.maxResources, name))
        : others.includes(name) && readQuantity(found[name]) !== undefined;
      return isFine
        ? []
        : [unequal(ours[name], found[name], { path: `${at.path}${pointer(name)}` })];
    });
  };

const most = (max: SidecarResources | undefined, name: string): string | undefined =>
  (max as Readonly<Record<string, string>> | undefined)?.[name];

const isWithin = (least: unknown, actual: unknown, max: string | undefined): boolean => {
  if (isSameQuantity(least, actual)) return true;
  const [low, amount, high] = [least, actual, max].map(readQuantity);
  if (low === undefined || amount === undefined || high === undefined) return false;
  return low <= amount && amount <= high;
};
