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
