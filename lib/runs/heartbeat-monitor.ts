import { HEARTBEAT_INTERVAL_MS } from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import type { Schedule } from '../contract/schedule.ts';

/** After three missed heartbeats the stream counts as disconnected, whatever the network reports. */
export const HEARTBEAT_TIMEOUT_MS = 3 * HEARTBEAT_INTERVAL_MS;

/** The last contact with the authority. All times are on the monotonic clock, in milliseconds. */
export type HeartbeatMonitor = {
  /** A line of the event stream arrived: all revocations until now are known. */
  readonly recordLine: () => void;
  /** The authority decided about a run. Says nothing about revocations. */
  readonly recordDecision: () => void;
  readonly getLastLineAt: () => number;
  /** Time since the last line or decision; before the first, since the monitor was created. */
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
 * Calls `onDisconnect` whenever the authority was out of contact for `disconnectTimeoutMs`.
 *
 * @returns a function that ends the watch
 */
export const watchDisconnect = (
  { getDisconnectedMs }: Pick<HeartbeatMonitor, 'getDisconnectedMs'>,
  {
    disconnectTimeoutMs,
    schedule,
    onDisconnect,
  }: {
    disconnectTimeoutMs: number;
    schedule: Schedule;
    onDisconnect: (disconnectedMs: number) => void;
  },
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
