import type { Serving } from '../../lib/certificate/serving.ts';
import type { Clock } from '../../lib/contract/clock.ts';

export type Readiness = {
  readonly certificate: (serving: Pick<Serving, 'notAfter' | 'isLive'>) => void;
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
export const openReadiness = (
  needs: Readonly<Record<string, () => boolean>>,
  { now }: Pick<Clock, 'now'>,
): Readiness => {
  let serving: Pick<Serving, 'notAfter' | 'isLive'> | undefined;
  let isDraining = false;
  return {
    certificate: (latest) => (serving = latest),
    drain: () => (isDraining = true),
    unready: () => [
      ...(isDraining ? ['draining'] : []),
      ...(serving?.isLive === true && serving.notAfter > now() ? [] : ['certificate']),
      ...Object.keys(needs).filter((name) => needs[name]?.() !== true),
    ],
  };
};
