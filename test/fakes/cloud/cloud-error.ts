/** An answer that says no, with the code and status that the real clouds use. */
export class CloudError extends Error {
  override readonly name = 'CloudError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** The refusal of a request that no statement allows or that a statement denies. */
export const createAccessDenied = (message = 'Access Denied'): CloudError =>
  new CloudError('AccessDenied', 403, message);

/** The refusal of a request parameter that does not keep its rules. */
export const createInvalidParameter = (message: string): CloudError =>
  new CloudError('ValidationError', 400, message);
