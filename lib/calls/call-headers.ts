/** Request headers that clouds read, besides `x-amz-*` and `x-amzn-*`. */
const REQUEST_HEADERS = new Set([
  'accept',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-type',
  'expires',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'range',
  'smithy-protocol',
  'user-agent',
]);

/** Those of the client's own signature, and of framing that the gateway undoes. */
const REPLACED = new Set([
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-security-token',
  'x-amz-trailer',
]);

/** Response headers of the connection (RFC 9110, section 7.6.1), and cookies, which no cloud API needs. */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const isPassed = (name: string): boolean =>
  !REPLACED.has(name) &&
  (REQUEST_HEADERS.has(name) || name.startsWith('x-amz-') || name.startsWith('x-amzn-'));

/** `aws-chunked` says how the client framed the body, any other encoding how it is stored. */
const removeChunked = (encoding: string): string =>
  encoding === ''
    ? ''
    : encoding
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== 'aws-chunked' && part !== '')
        .join(',');

/**
 * Selects the headers of a call that go to the cloud.
 *
 * @param host of the cloud
 */
export const selectRequestHeaders = (
  headers: ReadonlyMap<string, string>,
  host: string,
): Map<string, string> => {
  const selected = new Map<string, string>();
  for (const [name, value] of headers) if (isPassed(name)) selected.set(name, value);
  const encoding = removeChunked(selected.get('content-encoding') ?? '');
  if (encoding === '') selected.delete('content-encoding');
  else selected.set('content-encoding', encoding);
  return selected.set('host', host);
};

/** Headers that say nothing about what a call does, or that an SDK fills again for each call. */
const INSIGNIFICANT =
  /^(?:accept|user-agent|content-md5|x-amz-user-agent|x-amz-checksum-.*|x-amz-sdk-checksum-algorithm)$/;

/**
 * Selects the headers that are part of what a call does.
 *
 * @param tokens names of headers that SDKs fill again for each call
 */
export const selectContentHeaders = (
  headers: ReadonlyMap<string, string>,
  tokens: readonly string[],
): ReadonlyMap<string, string> => {
  const selected = selectRequestHeaders(headers, '');
  selected.delete('host');
  for (const name of selected.keys()) {
    if (INSIGNIFICANT.test(name) || tokens.includes(name)) selected.delete(name);
  }
  return selected;
};

/** Selects the headers of a cloud's response that go to the client. */
export const selectResponseHeaders = (
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | string[]> => {
  const selected: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !DROPPED.has(name)) selected[name] = value;
  }
  return selected;
};
