import type { EndReason, ActiveRun } from '../../lib/runs/active-runs.ts';
import type { Exchange } from '../../lib/contract/exchange.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import type {
  AuthorityConnectionState,
  SidecarMetrics,
} from '../../lib/edge/telemetry/sidecar-metrics.ts';

/** What hangs on whom the cloud trusts: nothing else of the program knows the difference. */
export type CredentialSource = {
  readonly exchange: Exchange;
  /** There if, and only if, there is an authority. */
  readonly authority?: {
    /** Until when every revocation is known, on the clock that never jumps. */
    readonly revocationsCurrentUntil: () => number;
    readonly getConnectionState: () => AuthorityConnectionState;
    /** Listens to it from now on. */
    readonly subscribe: (book: RunRegistry) => void;
    readonly reportRunEnd: (run: ActiveRun, reason: EndReason) => void;
    /** Stops listening, and tells what is still to be told; within `defaultWithinMs`. */
    readonly shutdown: (withinMs: number) => Promise<void>;
  };
};

export type CreateCredentialSource = (metrics: SidecarMetrics) => CredentialSource;
