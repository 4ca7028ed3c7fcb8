import type { Task } from './task.ts';

/** What a cloud issued: never logged, never rendered but in an answer to the consumer. */
export type CloudCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
};

/** One wish to start a run. */
export type RunRequest = {
  readonly consumer: string;
  readonly task: Task;
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
  /** An ID token of the human for whom the agent acts. */
  readonly userToken?: string;
};

/** A run as it was issued. All times are wall-clock milliseconds since the epoch. */
export type IssuedRun = {
  /** Unique id of the run, `[A-Za-z0-9_-]+`. */
  readonly run: string;
  readonly credentials: CloudCredentials;
  /**
   * When the cloud stops honouring the keys (the Deny in the session policy): the moment, by our
   * clock, at which the clock of whoever wrote the Deny shows it.
   */
  readonly deadline: number;
  /** How far the cloud's clock is ahead of the one that the Deny was written by; negative: behind. */
  readonly skewMs: number;
  /** STS's PackedPolicySize, percent. */
  readonly packedPolicyPercent?: number;
};

/**
 * The one way to credentials: straight to STS, or by the authority. Holding and serving know no
 * other difference between the kinds of trust.
 *
 * @throws ExchangeError refused (final) or unavailable (later, perhaps)
 */
export type Exchange = (request: RunRequest, signal: AbortSignal) => Promise<IssuedRun>;

/** `refused` is an answer; `unavailable` is the lack of one. */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  readonly kind: 'refused' | 'unavailable';
  /** Stable, machine-readable: an STS error code, `clock_skew`, `token_unreadable`, … */
  readonly code: string;
  /** How long to wait before another try makes sense. */
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
