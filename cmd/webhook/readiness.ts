import type { ServingCertificate } from '../../lib/certificate/serving-certificate.ts';
import type { Clock } from '../../lib/contract/clock.ts';

export type Readiness = {
  readonly setCertificate: (serving: Pick<ServingCertificate, 'notAfter' | 'isTrusted'>) => void;
  /** From now on never ready again. */
  readonly drain: () => void;
  /** What is missing, by name; empty: ready. */
  readonly unready: () => readonly string[];
};

/**
 * Ready is a replica whose certificate API servers trust, that stays, and that has whatever else it
 * needs (`needs`: by name, whether it is there). What was true once holds while the API server
 * cannot be asked.
 */
export const createReadiness = (
  needs: Readonly<Record<string, () => boolean>>,
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
      ...Object.keys(needs).filter((name) => needs[name]?.() !== true),
    ],
  };
};
