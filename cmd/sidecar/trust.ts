import type { EndReason, LiveRun } from '../../lib/credentials/live-runs.ts';
import type { Exchange } from '../../lib/credentials/exchange.ts';
import type { RunBook } from '../../lib/credentials/run-book.ts';
import type { AuthorityReading, SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';

/** What hangs on whom the cloud trusts: nothing else of the program knows the difference. */
export type Trust = {
  readonly exchange: Exchange;
  /** There if, and only if, there is an authority. */
  readonly authority?: {
    /** Until when every revocation is known, on the clock that never jumps. */
    readonly knownAt: () => number;
    readonly reading: () => AuthorityReading;
    /** Listens to it from now on. */
    readonly listen: (book: RunBook) => void;
    readonly runEnded: (run: LiveRun, reason: EndReason) => void;
    /** Stops listening, and tells what is still to be told; within `withinMs`. */
    readonly leave: (withinMs: number) => Promise<void>;
  };
};

export type OpenTrust = (metrics: SidecarMetrics) => Trust;
