import type { Gate } from './authority-api.ts';
import type { Task, TaskStatement } from './task.ts';
import type { RunSecret } from './upstream.ts';

/** Keys that a cloud issued. Never logged; rendered only in a response to the consumer. */
export type CloudCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
};

/** A request to start a run. */
export type RunRequest = {
  readonly consumer: string;
  readonly task: Task;
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
  /** ID token of the user for whom the agent acts. */
  readonly userToken?: string;
  /** Handle with which another run delegated this one. */
  readonly delegation?: string;
  /** Of the exchange, its repetitions included; in the logs of both sides and in the authority's records. */
  readonly requestId?: string;
};

/** What the sidecar needs to enforce policies about the calls of a run. Consumers get nothing of it. */
export type RunOversight = {
  /** Presented to the authority; removed when the run ends. */
  ticket?: string;
  /** Replaced when policies changed. */
  gates: readonly Gate[];
  /** Of the policies that decided last. */
  policyVersion: string;
};

/** What is known of every issued run. All times are wall-clock milliseconds since the epoch. */
type IssuedTimes = {
  /** Unique ID of the run, `[A-Za-z0-9_-]+`. */
  readonly run: string;
  /** See {@link RunRequest.requestId}. */
  readonly requestId?: string;
  /**
   * When the cloud stops accepting the keys, because of the Deny in the session policy; of an HTTP run,
   * when the gateway stops presenting its secret. By the clock of this process, corrected for the clock
   * of the process that set it.
   */
  readonly deadline: number;
  /** How far the cloud's clock is ahead of the clock of the process that wrote the Deny. */
  readonly skewMs: number;
  /** STS's PackedPolicySize, percent. */
  readonly packedPolicyPercent?: number;
  /** Only of an authority. */
  readonly oversight?: RunOversight;
  /** Of a delegated run: what it may do of its task, with its params bound. */
  readonly allow?: readonly TaskStatement[];
  /** Of a delegated run: IDs of the runs above it, root first. Their end is its end. */
  readonly ancestors?: readonly string[];
  /** People approved it: a renewal would ask them again, so that it is not renewed ahead of time. */
  readonly isApproved?: true;
};

/** A run of a task of provider `aws`. */
export type AwsRun = IssuedTimes & { readonly credentials: CloudCredentials };
/** A run of a task of another provider: only the gateway of the sidecar presents its secret. */
export type SecretRun = IssuedTimes & {
  readonly secret: RunSecret;
  /** Sealed; returned to the authority at the end of the run, it revokes the secret. */
  readonly release?: string;
  /** Whether the pod's UID is a key of the consumer. Absent from an older authority, which does not say. */
  readonly fixedKey?: boolean;
};
export type IssuedRun = AwsRun | SecretRun;

/**
 * Gets credentials for a run: from STS directly, or from the authority. Nothing else in the sidecar
 * depends on the kind of trust.
 *
 * @param onRetry receives the error of each attempt that is repeated
 * @throws ExchangeError refused (final) or unavailable (may succeed later)
 */
export type Exchange = (
  request: RunRequest,
  signal: AbortSignal,
  onRetry?: (error: ExchangeError) => void,
) => Promise<IssuedRun>;

/** `refused`: the other side said no; `unavailable`: there was no answer. */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  readonly kind: 'refused' | 'unavailable';
  /** Stable, machine-readable: an STS error code, `clock_skew`, `token_unreadable`, … */
  readonly code: string;
  /** How long to wait before the next attempt. */
  readonly retryAfterMs: number | undefined;
  /** For how long the same request may wait for people to decide; absent: it is refused at once. */
  readonly holdMs: number | undefined;
  /** What people were asked. */
  readonly approval: { readonly namespace: string; readonly name: string } | undefined;
  /** The policies that denied; empty: no policy permits it. */
  readonly policies: readonly string[];

  constructor(
    kind: 'refused' | 'unavailable',
    code: string,
    message: string,
    options: {
      cause?: unknown;
      retryAfterMs?: number;
      holdMs?: number;
      approval?: { readonly namespace: string; readonly name: string };
      policies?: readonly string[];
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.holdMs = options.holdMs;
    this.approval = options.approval;
    this.policies = options.policies ?? [];
  }
}
