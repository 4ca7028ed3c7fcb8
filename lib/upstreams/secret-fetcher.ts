import type { UpstreamLevel } from '../contract/upstream.ts';

/** What a source needs to know of the run that a secret is for. */
export type SecretRequest = {
  /** Origins that the secret may be sent to: that of the Upstream. */
  readonly origin: string;
  /** The highest access level of the run's statements. */
  readonly level: UpstreamLevel;
  /** Resources of the run's statements, with their params bound. */
  readonly resources: readonly string[];
  /** Values of the run's params. */
  readonly params: Readonly<Record<string, string>>;
  /** Whole seconds that the run has left. */
  readonly lifetimeSeconds: number;
  /** Signs the run's grant for one server: a grant for the cloud never leaves the authority. */
  readonly signGrant: (audience: string) => Promise<string>;
};

export type FetchedSecret = {
  readonly secret: string;
  /**
   * What {@link SecretFetcher.revoke} needs at the run's end; absent: the secret stays valid. It may hold a
   * token: it is sealed before it leaves the authority, and never logged.
   */
  readonly revocation?: string;
  /** When a stored secret was last changed, milliseconds since the epoch. */
  readonly changedAtMs?: number;
};

/**
 * Gets the secret of one run from one kind of source, without a cache.
 *
 * @throws SecretError from both functions
 */
export type SecretFetcher<Source> = {
  readonly fetch: (source: Source, request: SecretRequest) => Promise<FetchedSecret>;
  /** Ends the secret before it expires. */
  readonly revoke: (
    source: Source,
    revocation: string,
    signGrant: SecretRequest['signGrant'],
  ) => Promise<void>;
};

/**
 * - `secret_unavailable`: the source did not answer, or has no such secret now; may succeed later.
 * - `secret_origin_mismatch`: the owner of the Secret does not allow this origin.
 * - `secret_invalid`: what the source holds cannot be presented.
 * - `provider_refused`: the server refused the authority, or issued less or more than was asked for.
 */
export type SecretErrorCode =
  'secret_unavailable' | 'secret_origin_mismatch' | 'secret_invalid' | 'provider_refused';

/** A secret that a run did not get. Its message names the source and never holds a secret or a token. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
  readonly code: SecretErrorCode;

  constructor(code: SecretErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
