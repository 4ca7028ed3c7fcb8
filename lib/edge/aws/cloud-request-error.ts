/** An error response of a cloud, or a missing response. */
export class CloudRequestError extends Error {
  override readonly name = 'CloudRequestError';
  /** The cloud's error code, or the code of a system or TLS error. */
  readonly code: string;
  /** HTTP status; absent without a response. */
  readonly status: number | undefined;

  constructor(code: string, detail: string, options: { status?: number; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.code = code;
    this.status = options.status;
  }
}
