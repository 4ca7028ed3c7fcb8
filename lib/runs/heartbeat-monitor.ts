import { HEARTBEAT_INTERVAL_MS } from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import type { Schedule } from '../contract/schedule.ts';

/** Three heartbeats missed: the stream is cut off, whatever the network says. */
export const HEARTBEAT_TIMEOUT_MS = 3 * HEARTBEAT_INTERVAL_MS;

/** When the authority was heard last; all moments are on the clock that never jumps. */
export type HeartbeatMonitor = {
  /** A line of the stream came: until now every revocation is known. */
  readonly recordLine: () => void;
  /** The authority decided about a run. */
  readonly recordDecision: () => void;
  readonly getLastLineAt: () => number;
  /** Since a line or a decision came; before any, since we listen. */
  readonly getDisconnectedMs: () => number;
};

export const createHeartbeatMonitor = ({
  monotonic,
}: Pick<Clock, 'monotonic'>): HeartbeatMonitor => {
  let lastLineAt = -Infinity;
  let lastContactAt = monotonic();
  return {
    recordLine: () => (lastContactAt = lastLineAt = monotonic()),
    recordDecision: () => (lastContactAt = monotonic()),
    getLastLineAt: () => lastLineAt,
    getDisconnectedMs: () => monotonic() - lastContactAt,
  };
};

/**
 * Calls `tooLong` each time that nothing was heard for `maxSilenceMs`.
 *
 * @returns ends the watch
 */
export const watchDisconnect = (
  { getDisconnectedMs }: Pick<HeartbeatMonitor, 'getDisconnectedMs'>,
  {
    disconnectTimeoutMs,
    schedule,
    onDisconnect,
  }: { disconnectTimeoutMs: number; schedule: Schedule; onDisconnect: (silentMs: number) => void },
): (() => void) => {
  let cancel = (): void => undefined;
  const check = (): void => {
    const disconnectedMs = getDisconnectedMs();
    const isTooLong = disconnectedMs >= disconnectTimeoutMs;
    cancel = schedule(
      isTooLong ? disconnectTimeoutMs : disconnectTimeoutMs - disconnectedMs,
      check,
    );
    if (isTooLong) onDisconnect(disconnectedMs);
  };
  check();
  return () => cancel();
};
