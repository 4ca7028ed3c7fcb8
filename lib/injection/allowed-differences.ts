import { mayBeAddedToSidecar } from '../config/environment-review.ts';
import type { AllowedChanges, SidecarResources } from '../contract/platform.ts';
import type { Container } from '../contract/pod.ts';
import {
  allowDefault,
  compareByKey,
  allowListedValues,
  buildMismatch,
  type FieldComparison,
  type FieldComparisons,
  type FieldLocation,
} from './equality.ts';
import { toJsonPointer } from './json-patch.ts';
import { isSameQuantity, readQuantity } from '../schema/quantity.ts';

/**
 * The least that is accepted below the platform's amounts, because the Vertical Pod Autoscaler sets what
 * it observed. Under full load the sidecar is charged 24 MiB of memory; a cpu request does not throttle.
 */
const MIN_REQUESTS: Amounts = { memory: '64Mi', cpu: '10m' };
/**
 * A cpu limit throttles even on an idle node, and the sidecar must answer before SDKs give up. In a
 * Guaranteed pod the limit is the platform's request, however small.
 */
const buildMinLimits = ({ resources }: Container): Amounts => {
  const [least, request] = ['50m', resources?.requests?.['cpu']];
  const [low = 0n, injected = low] = [least, request].map(readQuantity);
  return { memory: '64Mi', cpu: injected < low ? request : least };
};

/** Policy engines write these out where a container leaves them unset. They change nothing. */
const WRITTEN_DEFAULTS: FieldComparisons = {
  '/args': allowEmpty,
  '/envFrom': allowEmpty,
  '/lifecycle': allowEmpty,
  '/restartPolicyRules': allowEmpty,
  '/volumeDevices': allowEmpty,
  '/resources/claims': allowEmpty,
  '/securityContext/capabilities/add': allowEmpty,
  '/securityContext/seLinuxOptions': allowEmpty,
  '/securityContext/privileged': allowDefault(false),
  '/securityContext/procMount': allowDefault('Default'),
  '/stdin': allowDefault(false),
  '/stdinOnce': allowDefault(false),
  '/tty': allowDefault(false),
  '/ports/*/hostPort': allowDefault(0),
  '/startupProbe/initialDelaySeconds': allowDefault(0),
  '/volumeMounts/*/readOnly': allowDefault(false),
  '/volumeMounts/*/mountPropagation': allowDefault('None'),
  '/volumeMounts/*/recursiveReadOnly': allowDefault('Disabled'),
};

/**
 * Lists what may differ between the injected sidecar and the one in the final pod: what the API server
 * and in-tree admission plugins set, and what the platform accepts from other mutators. Everything
 * else must be equal.
 */
export const allowedSidecarDifferences = (
  accept: AllowedChanges,
  injected: Container,
): FieldComparisons => ({
  '/image': allowListedValues(accept.images),
  // Set by the AlwaysPullImages plugin, without risk.
  '/imagePullPolicy': allowListedValues(['Always']),
  ...WRITTEN_DEFAULTS,
  '/terminationMessagePath': allowDefault('/dev/termination-log'),
  '/terminationMessagePolicy': allowDefault('File'),
  '/startupProbe/httpGet/scheme': allowDefault('HTTP'),
  '/startupProbe/successThreshold': allowDefault(1),
  '/env': compareByKey('name', ({ name }) => isAllowedEnv(String(name), accept)),
  '/env/*/value': compareInjectedValue,
  '/env/*/valueFrom/fieldRef/apiVersion': allowDefault('v1'),
  '/ports/*/protocol': allowDefault('TCP'),
  '/securityContext/capabilities/drop': allowMoreDrops,
  '/volumeMounts': compareByKey('mountPath'),
  '/resizePolicy': compareResizePolicy,
  '/resources/requests': compareQuantities({
    accept,
    others: ['ephemeral-storage'],
    least: MIN_REQUESTS,
  }),
  // A LimitRange adds missing limits.
  '/resources/limits': compareQuantities({
    accept,
    others: ['cpu', 'ephemeral-storage'],
    least: buildMinLimits(injected),
  }),
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
      path: at.path(),
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

/** Nothing is dropped less: `ALL` contains every other name, which an SCC may repeat. */
function allowMoreDrops(expected: unknown, actual: unknown, at: FieldLocation) {
  const [injected, found] = [expected, actual].map((list) =>
    Array.isArray(list) ? (list as readonly unknown[]) : [],
  );
  const isSuperset = (injected ?? []).every((name) => found?.includes(name));
  return isSuperset && (found ?? []).every(isCapability)
    ? []
    : [buildMismatch(expected, actual, at)];
}

const isCapability = (name: unknown): boolean =>
  typeof name === 'string' && /^[A-Z][A-Z_]*$/.test(name);

function allowEmpty(expected: unknown, actual: unknown, at: FieldLocation) {
  const isEmpty =
    actual === undefined ||
    (typeof actual === 'object' && actual !== null && Object.keys(actual).length === 0);
  return expected === undefined && isEmpty ? [] : [buildMismatch(expected, actual, at)];
}

type Amounts = Readonly<Record<string, unknown>>;

type QuantityOptions = {
  readonly accept: AllowedChanges;
  /** Resources that injection may not set. */
  readonly others: readonly string[];
  readonly least: Amounts;
};

/** Compares amounts: from the least that works up to the platform's maximum. */
const compareQuantities =
  ({ accept, others, least }: QuantityOptions): FieldComparison =>
  (expected, actual, at) => {
    const injected = (expected ?? {}) as Amounts;
    const found = (actual ?? {}) as Amounts;
    return [...new Set([...Object.keys(injected), ...Object.keys(found)])].flatMap((name) => {
      const amount = found[name];
      const isAccepted = Object.hasOwn(injected, name)
        ? isWithinRange(amount, {
            injected: injected[name],
            least: least[name],
            max: getMaxResource(accept.maxResources, name),
          })
        : others.includes(name) && isAtLeast(amount, least[name]);
      if (isAccepted) return [];
      const path = () => `${at.path()}${toJsonPointer(name)}`;
      return [buildMismatch(injected[name], amount, { path })];
    });
  };

const getMaxResource = (max: SidecarResources | undefined, name: string): string | undefined =>
  (max as Readonly<Record<string, string>> | undefined)?.[name];

const isWithinRange = (
  actual: unknown,
  bounds: { readonly injected: unknown; readonly least: unknown; readonly max: string | undefined },
): boolean => {
  if (isSameQuantity(bounds.injected, actual)) return true;
  const [amount, injected, max] = [actual, bounds.injected, bounds.max].map(readQuantity);
  if (amount === undefined || injected === undefined) return false;
  return amount < injected
    ? bounds.least !== undefined && isAtLeast(actual, bounds.least)
    : max !== undefined && amount <= max;
};

/** Without a least amount, any quantity. */
const isAtLeast = (actual: unknown, least: unknown): boolean => {
  const [amount, low] = [actual, least ?? '0'].map(readQuantity);
  return amount !== undefined && low !== undefined && low <= amount;
};
