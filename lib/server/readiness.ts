import type { ServingCertificate } from '../certificate/serving-certificate.ts';
import type { Clock } from '../contract/clock.ts';

export type Readiness = {
  readonly setCertificate: (serving: Pick<ServingCertificate, 'notAfter' | 'isTrusted'>) => void;
  /** From now on never ready again. */
  readonly drain: () => void;
  /** What is missing, by name; empty: ready. */
  readonly unready: () => readonly string[];
};

/** What has to be so, by the name under which its lack is told. */
export type ReadinessChecks = Readonly<Record<string, () => boolean>>;

/** Ready is a replica that could issue a run now, and that stays. */
export const createReadiness = (
  conditions: ReadinessChecks,
  { now }: Pick<Clock, 'now'>,
): Readiness => {
  let serving: Pick<ServingCertificate, 'notAfter' | 'isTrusted'> | undefined;
  let isDraining = false;
  return {
    setCertificate: (latest) => (serving = latest),
    drain: () => (isDraining = true),
    unready: () => [
      ...(isDraining ? ['draining'] : []),
      ...(serving?.isTrusted === true && serving.notAfter > now() ? [] : ['certificate']),
      ...Object.entries(conditions).flatMap(([name, holds]) => (holds() ? [] : [name])),
    ],
  };
};
