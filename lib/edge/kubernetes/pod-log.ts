import type { ApiClient } from './api-client.ts';

/** What the log of a container still has, from some time on. */
export type PodLog = {
  readonly text: string;
  /** Milliseconds since the epoch: the text has every line since then. */
  readonly knownSince: number;
};

export type PodLogRequest = {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** How far back to read, at most. */
  readonly windowSeconds: number;
  readonly maxBytes: number;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: number;
};

/** Enough for the time of a line and its first characters. */
const FIRST_LINE_BYTES = 64;
/** The API server may send slightly more than it was asked for. */
const SLACK_BYTES = 64 * 1024;
/** A log with more than `maxBytes` in so few seconds is read no further. */
const MIN_WINDOW_SECONDS = 15;

/**
 * Reads the newest lines of a container's log. A kubelet serves only the current file, which it replaces when it
 * has `containerLogMaxSize` (10Mi): right after that the log is empty, and `knownSince` says so. The API server
 * counts `limitBytes` from the oldest line, so the window is halved until all of it fits.
 *
 * @throws KubernetesError
 */
export const readPodLog = async (calls: ApiClient, request: PodLogRequest): Promise<PodLog> => {
  const { namespace, pod, container, windowSeconds, maxBytes, now } = request;
  const at = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log`;
  const read = async (query: string, limit: number): Promise<string> => {
    const path = `${at}?container=${encodeURIComponent(container)}&limitBytes=${limit}&${query}`;
    const call = { method: 'GET', path, maxTextBytes: limit + SLACK_BYTES } as const;
    return (await calls(`get log of pod ${namespace}/${pod}`, call)) as string;
  };
  let text = '';
  let seconds = windowSeconds;
  for (; seconds >= MIN_WINDOW_SECONDS; seconds = Math.floor(seconds / 2)) {
    text = await read(`sinceSeconds=${seconds}`, maxBytes);
    if (Buffer.byteLength(text) < maxBytes) break;
  }
  if (seconds < MIN_WINDOW_SECONDS) return { text, knownSince: now };
  // After the lines: a file that was replaced in between must not look as if it reached further back.
  const [first = ''] = (await read('timestamps=true', FIRST_LINE_BYTES)).split(' ');
  const startedAt = Date.parse(first);
  const windowStart = now - seconds * 1000;
  return { text, knownSince: Number.isNaN(startedAt) ? now : Math.max(startedAt, windowStart) };
};
