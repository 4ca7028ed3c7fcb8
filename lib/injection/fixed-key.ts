import type { Platform } from '../contract/platform.ts';
import type { Pod } from '../contract/pod.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { listOtherContainers } from './consumers.ts';
import { checkHardening } from './rules/hardening.ts';
import { checkIsolation } from './rules/isolation.ts';
import { getLevel } from './rules/levels.ts';

/** Which pod, under which settings. */
export type FixedKeySubject = {
  readonly platform: Platform;
  /** Absent: not known, so level `restricted` applies. */
  readonly namespace?: string | undefined;
  readonly consumers: readonly string[];
};

/** The user that the kernel shows for processes outside the user namespace, unless a node sets another. */
const OVERFLOW_UID = 65_534;

/**
 * Finds why the gateway of a pod must not take the pod's UID as a key. On loopback it knows of a caller only its
 * user: what it takes for the consumer must be the only container, without root, and in namespaces of its own.
 *
 * @param pod with security defaults, if it is not injected yet
 * @returns undefined if there is nothing
 */
export const findFixedKeyObstacle = (
  pod: Pod,
  { platform, namespace, consumers }: FixedKeySubject,
): string | undefined => {
  if (platform.gateway.fixedKey === 'off') return 'the platform sets gateway.fixedKey: off';
  const others = listOtherContainers(pod).map(({ container }) => container.name);
  const beside = others.filter((name) => name !== consumers[0]);
  if (consumers.length !== 1 || beside.length > 0 || others.length !== 1) {
    return `the pod has more containers than one: ${others.join(', ')}`;
  }
  const level = getLevel(namespace, platform.pods);
  if (level !== 'restricted') return `its namespace has level ${level} of rule 4`;
  return findUnsafeSetting(pod, { platform, namespace });
};

const findUnsafeSetting = (
  pod: Pod,
  { platform, namespace }: Omit<FixedKeySubject, 'consumers'>,
): string | undefined => {
  const context = {
    ...({ platform, templates: new Map(), phase: 'LIVE', tasks: [] } as const),
    ...(namespace !== undefined && { namespace }),
  };
  const [fault] = [...checkIsolation(pod, context), ...checkHardening(pod, context)];
  if (fault !== undefined) return formatFieldError(fault);
  const [only] = listOtherContainers(pod);
  const user = only?.container.securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser;
  return user === OVERFLOW_UID
    ? `it runs as user ${OVERFLOW_UID}, as which the kernel shows users from outside the pod`
    : undefined;
};
