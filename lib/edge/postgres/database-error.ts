/**
 * - `unreachable`: no connection, or it ended.
 * - `untrusted`: not the expected server: its address, its TLS certificate or its proof of the password.
 * - `refused`: the server answered with an error.
 */
export type DatabaseErrorKind = 'unreachable' | 'untrusted' | 'refused';

/** A server gives no session or no answer. The message holds no password and no statement. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  readonly kind: DatabaseErrorKind;
  /** SQLSTATE of a refusal. */
  readonly sqlState: string | undefined;

  constructor(
    kind: DatabaseErrorKind,
    message: string,
    options: { cause?: unknown; sqlState?: string } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.sqlState = options.sqlState;
  }
}
