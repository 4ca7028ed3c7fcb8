/** What kept STS from issuing: its own error, or the lack of an answer. */
export class StsFault extends Error {
  override readonly name = 'StsFault';
  /** STS's error code, or the code of a system or TLS error. */
  readonly code: string;
  /** HTTP status; absent when there was no answer. */
  readonly status: number | undefined;

  constructor(code: string, detail: string, options: { status?: number; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.code = code;
    this.status = options.status;
  }
}
