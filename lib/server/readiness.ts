import type { ServingCertificate } from '../certificate/serving-certificate.ts';
import type { Clock } from '../contract/clock.ts';

/** What must be true for the program to be ready, by the name that `/readyz` reports. */
export type ReadinessChecks<Name extends string = string> = Readonly<Record<Name, () => boolean>>;

export type Readiness<Name extends string = string> = {
  readonly setCertificate: (serving: Pick<ServingCertificate, 'notAfter' | 'isTrusted'>) => void;
  /** Sets the checks. Until then none of the named conditions is met. */
  readonly setChecks: (checks: ReadinessChecks<Name>) => void;
  /** After this call the program is never ready again. */
  readonly drain: () => void;
  /** Names of the conditions that are not met; empty if the program is ready. */
  readonly unready: () => readonly string[];
};

/**
 * A replica is ready if it is not shutting down, clients trust its certificate, and every named
 * condition is met.
 */
export const createReadiness = <Name extends string>(
  names: readonly Name[],
  { now }: Pick<Clock, 'now'>,
): Readiness<Name> => {
  let serving: Pick<ServingCertificate, 'notAfter' | 'isTrusted'> | undefined;
  let checks: ReadinessChecks<Name> | undefined;
  let isDraining = false;
  return {
    setCertificate: (latest) => (serving = latest),
    setChecks: (latest) => (checks = latest),
    drain: () => (isDraining = true),
    unready: () => [
      ...(isDraining ? ['draining'] : []),
      ...(serving?.isTrusted === true && serving.notAfter > now() ? [] : ['certificate']),
      ...names.filter((name) => checks?.[name]() !== true),
    ],
  };
};
