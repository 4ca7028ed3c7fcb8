import { HEARTBEAT_MS } from '../contract/authority.ts';
import type { Clock } from '../contract/clock.ts';
import type { Schedule } from './schedule.ts';

/** Three heartbeats missed: the stream is cut off, whatever the network says. */
export const SILENCE_MS = 3 * HEARTBEAT_MS;

/** When the authority was heard last; all moments are on the clock that never jumps. */
export type Hearing = {
  /** A line of the stream came: until now every revocation is known. */
  readonly line: () => void;
  /** The authority decided about a run. */
  readonly decision: () => void;
  readonly lastLineAt: () => number;
  /** Since a line or a decision came; before any, since we listen. */
  readonly silentMs: () => number;
};

export const openHearing = ({ monotonic }: Pick<Clock, 'monotonic'>): Hearing => {
  let lineAt = -Infinity;
  let wordAt = monotonic();
  return {
    line: () => (wordAt = lineAt = monotonic()),
    decision: () => (wordAt = monotonic()),
    lastLineAt: () => lineAt,
    silentMs: () => monotonic() - wordAt,
  };
};

/**
 * Calls `tooLong` each time that nothing was heard for `maxSilenceMs`.
 *
 * @returns ends the watch
 */
export const watchSilence = (
  { silentMs }: Pick<Hearing, 'silentMs'>,
  {
    maxSilenceMs,
    schedule,
    tooLong,
  }: { maxSilenceMs: number; schedule: Schedule; tooLong: (silentMs: number) => void },
): (() => void) => {
  let cancel = (): void => undefined;
  const look = (): void => {
    const silent = silentMs();
    const isTooLong = silent >= maxSilenceMs;
    cancel = schedule(isTooLong ? maxSilenceMs : maxSilenceMs - silent, look);
    if (isTooLong) tooLong(silent);
  };
  look();
  return () => cancel();
};
