/** There is no answer. Only a code passes: what Node throws may carry the request, and its tokens. */
export class ConnectionError extends Error {
  override readonly name = 'LinkFault';
  /** Of a system or TLS error; `timeout`, `answer_too_large`. */
  readonly code: string;
  /** Whether the authority may have read the request. */
  readonly wasSent: boolean;

  constructor(code: string, { wasSent }: { wasSent: boolean }) {
    super(code);
    this.code = code;
    this.wasSent = wasSent;
  }
}

/** Whatever kept an answer from coming. */
export const toConnectionError = (thrown: unknown, sent: { wasSent: boolean }): ConnectionError => {
  if (thrown instanceof ConnectionError) return thrown;
  const { name, code } = thrown as { name?: string; code?: string | number };
  if (name === 'AbortError' || name === 'TimeoutError') return new ConnectionError('timeout', sent);
  return new ConnectionError(typeof code === 'string' ? code : 'unknown', sent);
};

/** What a person does about it. */
export const formatConnectionError = ({ code }: ConnectionError): string => {
  if (/CERT|SIGNATURE|ALTNAME|ISSUER/.test(code)) {
    return `the authority's certificate is not by the roots that this pod was admitted with; create the pod anew if they have been replaced (${code})`;
  }
  return code === 'answer_too_large'
    ? 'the authority answered more than an answer can be'
    : `the authority could not be reached: look at its pods and at network policies (${code})`;
};
