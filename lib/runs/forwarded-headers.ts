const FORWARDED_HEADERS = new Set(['origin', 'referer', 'via', 'forwarded', 'x-real-ip']);

/** `fetch` of Node always sends this header; a browser sends it only with `Sec-Fetch-Site`. */
const SENT_BY_NODE = 'sec-fetch-mode';

/**
 * Whether only a browser or a proxy sends this header: clients in the pod send direct requests.
 *
 * @param name lower case
 */
export const isForwardedHeader = (name: string): boolean =>
  FORWARDED_HEADERS.has(name) ||
  (name.startsWith('sec-fetch-') && name !== SENT_BY_NODE) ||
  name.startsWith('x-forwarded-');
