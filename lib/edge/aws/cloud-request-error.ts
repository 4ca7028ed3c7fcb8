/** What kept a cloud from doing as asked: its own error, or the lack of an answer. */
export class CloudRequestError extends Error {
  override readonly name = 'CloudFault';
  /** The cloud's error code, or the code of a system or TLS error. */
  readonly code: string;
  /** HTTP status; absent when there was no answer. */
  readonly status: number | undefined;

  constructor(code: string, detail: string, options: { status?: number; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.code = code;
    this.status = options.status;
  }
}
