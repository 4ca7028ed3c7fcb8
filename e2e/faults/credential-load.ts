import { request, type RequestOptions } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** One request of a consumer, with its repeats. Times in milliseconds since the epoch. */
export type LoadAnswer = {
  readonly startedAt: number;
  /** When the last attempt was sent. */
  readonly sentAt: number;
  readonly endedAt: number;
  readonly attempts: number;
  /** Status of the first attempt; 0: no connection, or it broke. */
  readonly firstStatus: number;
  /** Status of the last attempt. */
  readonly status: number;
  /** When the served credentials end, or those that a call was made with. */
  readonly expiresAt?: number | undefined;
  /** Why the last attempt was refused, if it was. */
  readonly code?: string | undefined;
};

export const isPassed = ({ status }: Pick<LoadAnswer, 'status'>): boolean => status === 200;

/** One attempt of a request. */
export type Attempt = Pick<LoadAnswer, 'status' | 'expiresAt' | 'code'> & {
  readonly retryAfterMs: number | undefined;
};

export type HttpAnswer = {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly body: Readonly<Record<string, unknown>>;
};

const ATTEMPT_TIMEOUT_MS = 10_000;
/** What a client waits before it repeats a request, unless the answer says more. */
const REPEAT_MS = 1_000;
const MAX_REPEAT_MS = 2_000;
const CREDENTIALS: RequestOptions = { path: '/v1/credentials' };

/** One request on this machine over a connection of its own; status 0 if it fails. */
export const callSidecar = (target: RequestOptions, content?: object): Promise<HttpAnswer> => {
  const { promise, resolve } = Promise.withResolvers<HttpAnswer>();
  const fail = (): void => resolve({ status: 0, retryAfterMs: undefined, body: {} });
  const headers = { 'content-type': 'application/json' };
  const options = { agent: false, timeout: ATTEMPT_TIMEOUT_MS, headers, ...target };
  const going = request(options, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', fail);
    response.on('end', () => {
      const seconds = Number(response.headers['retry-after'] ?? NaN);
      resolve({
        status: response.statusCode ?? 0,
        retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined,
        body: parseBody(Buffer.concat(chunks).toString()),
      });
    });
  });
  going.on('timeout', () => going.destroy(new Error('no answer in time')));
  going.on('error', fail);
  going.end(content === undefined ? undefined : JSON.stringify(content));
  return promise;
};

const parseBody = (text: string): HttpAnswer['body'] => {
  try {
    return JSON.parse(text) as HttpAnswer['body'];
  } catch {
    return {};
  }
};

export type LoadOptions = {
  readonly perSecond: number;
  /** How long a request is repeated before it counts as lost; long, because a busy machine starts programs slowly. */
  readonly repeatMs?: number;
};

/** Requests that wait at once. In an outage, more would be a load of repeats alone. */
const MAX_IN_FLIGHT = 100;

/** Sends an attempt of a request; both are numbered from 0. Never rejects. */
export type SendAttempt = (place: {
  readonly request: number;
  readonly attempt: number;
}) => Promise<Attempt>;

export type RunningLoad = {
  readonly answers: () => readonly LoadAnswer[];
  /** Sends no more, and waits for the answers of what was sent. */
  readonly stop: () => Promise<readonly LoadAnswer[]>;
};

/** Sends requests at a fixed rate, whatever the answers are, as many independent consumers do. */
export const startLoad = (
  send: SendAttempt,
  { perSecond, repeatMs = 120_000 }: LoadOptions,
): RunningLoad => {
  const answers: LoadAnswer[] = [];
  const going = new Set<Promise<void>>();
  const sendOne = async (request: number): Promise<void> => {
    answers.push(await sendRepeatedly((attempt) => send({ request, attempt }), repeatMs));
  };
  const beganAt = performance.now();
  let sent = 0;
  // A busy machine is late with timers: what is due by now is sent together.
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - beganAt) * perSecond) / 1000);
    for (; sent < due; sent += 1) {
      if (going.size >= MAX_IN_FLIGHT) continue;
      const one: Promise<void> = sendOne(sent).finally(() => going.delete(one));
      going.add(one);
    }
  }, 1000 / perSecond);
  // A measurement that fails does not stop it.
  timer.unref();
  return {
    answers: () => answers,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(going);
      return answers;
    },
  };
};

/** Repeats a request until it succeeds, or for `repeatMs`. */
const sendRepeatedly = async (
  send: (attempt: number) => Promise<Attempt>,
  repeatMs: number,
): Promise<LoadAnswer> => {
  const startedAt = Date.now();
  let firstStatus: number | undefined;
  for (let attempts = 1; ; attempts += 1) {
    const sentAt = Date.now();
    const { retryAfterMs, ...answer } = await send(attempts - 1);
    firstStatus ??= answer.status;
    const endedAt = Date.now();
    if (isPassed(answer) || endedAt - startedAt >= repeatMs)
      return { startedAt, sentAt, endedAt, attempts, firstStatus, ...answer };
    await pause(Math.min(retryAfterMs ?? REPEAT_MS, MAX_REPEAT_MS));
  }
};

/** Requests credentials at a fixed rate. */
export const startCredentialLoad = ({
  socket,
  ...options
}: LoadOptions & { readonly socket: string }): RunningLoad =>
  startLoad(async () => {
    const { status, retryAfterMs, body } = await callSidecar({
      ...CREDENTIALS,
      socketPath: socket,
    });
    const expiresAt = status === 200 ? Date.parse(String(body['Expiration'])) : undefined;
    return { status, retryAfterMs, expiresAt };
  }, options);

/** What users saw of a fault. */
export type LoadFigures = {
  readonly requests: number;
  /** Requests whose first attempt got no credentials, or whose call did not pass. */
  readonly refused: number;
  /** Requests that did not succeed although they were repeated. */
  readonly lost: number;
  /** Requests that succeeded with credentials that had ended when they were sent. */
  readonly servedAfterEnd: number;
  /** Longest time between two successes, seconds. */
  readonly longestGapSeconds: number;
};

/** Sums up the answers of a load. */
export const summarizeLoad = (answers: readonly LoadAnswer[]): LoadFigures => {
  const served = answers.filter(isPassed);
  const ends = served.map(({ endedAt }) => endedAt).toSorted((one, other) => one - other);
  const starts = answers.map(({ startedAt }) => startedAt);
  const times = [starts.reduce((one, other) => Math.min(one, other), Infinity), ...ends];
  const gaps = ends.map((end, index) => end - (times[index] ?? end));
  return {
    requests: answers.length,
    refused: answers.filter(({ firstStatus }) => firstStatus !== 200).length,
    lost: answers.length - served.length,
    servedAfterEnd: served.filter(({ sentAt, expiresAt = NaN }) => !(expiresAt > sentAt)).length,
    longestGapSeconds: gaps.reduce((most, gap) => Math.max(most, gap), 0) / 1000,
  };
};

/**
 * When a request first succeeded whose last attempt was sent after a moment, in seconds after it: an answer that was
 * on its way is no recovery.
 */
export const findRecoverySeconds = (answers: readonly LoadAnswer[], since: number): number => {
  const ends = answers
    .filter((answer) => isPassed(answer) && answer.sentAt >= since)
    .map(({ endedAt }) => endedAt);
  return (ends.reduce((first, end) => Math.min(first, end), Infinity) - since) / 1000;
};
