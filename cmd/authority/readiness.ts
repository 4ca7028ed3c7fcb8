import type { Serving } from '../../lib/certificate/serving.ts';
import type { Clock } from '../../lib/contract/clock.ts';

export type Readiness = {
  readonly certificate: (serving: Pick<Serving, 'notAfter' | 'isLive'>) => void;
  /** From now on never ready again. */
  readonly drain: () => void;
  /** What is missing, by name; empty: ready. */
  readonly unready: () => readonly string[];
};

/** What has to be so, by the name under which its lack is told. */
export type Conditions = Readonly<Record<string, () => boolean>>;

/** Ready is a replica that could issue a run now, and that stays. */
export const openReadiness = (conditions: Conditions, { now }: Pick<Clock, 'now'>): Readiness => {
  let serving: Pick<Serving, 'notAfter' | 'isLive'> | undefined;
  let isDraining = false;
  return {
    certificate: (latest) => (serving = latest),
    drain: () => (isDraining = true),
    unready: () => [
      ...(isDraining ? ['draining'] : []),
      ...(serving?.isLive === true && serving.notAfter > now() ? [] : ['certificate']),
      ...Object.entries(conditions).flatMap(([name, holds]) => (holds() ? [] : [name])),
    ],
  };
};
