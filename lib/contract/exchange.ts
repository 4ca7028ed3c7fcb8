import type { Task } from './task.ts';
import type { HttpSecret } from './upstream.ts';

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
};

/** What is known of every issued run. All times are wall-clock milliseconds since the epoch. */
type IssuedTimes = {
  /** Unique ID of the run, `[A-Za-z0-9_-]+`. */
  readonly run: string;
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
};

/** A run of a task of provider `aws`. */
export type AwsRun = IssuedTimes & { readonly credentials: CloudCredentials };
/** A run of a task of provider `http`: only the gateway of the sidecar presents its secret. */
export type HttpRun = IssuedTimes & { readonly secret: HttpSecret };
export type IssuedRun = AwsRun | HttpRun;

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

  constructor(
    kind: 'refused' | 'unavailable',
    code: string,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}
