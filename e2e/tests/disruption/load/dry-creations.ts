import type { ApiConnections } from './api-connections.ts';
import { retryAttempts } from '../../../../test/kit/retry.ts';
import { isInjected, parsePod } from './stored-pods.ts';

/** The result of one request; `endedAt` is a value of `performance.now()`. */
export type Attempt = {
  outcome: 'injected' | 'bare' | 'refused';
  /** Message of a refusal. */
  message: string;
  endedAt: number;
};

/** The attempts to create one pod: see {@link retryAttempts}. */
export type Creation = Attempt[];

export type CreationPlan = {
  /** Path of the pods of a namespace. */
  path: string;
  pods: object[];
  /** Requests in flight. */
  concurrency: number;
  /** Called once, when half of the creations have started; the others continue at the same time. */
  atHalf: () => Promise<void>;
  retryAfterMs?: number;
};

/**
 * Creates pods as server-side dry runs, for which the API server calls every webhook; repeats refused
 * requests.
 *
 * @throws Error if a request gets no response
 */
export const createAllAsDryRun = async (
  { call }: Pick<ApiConnections, 'call'>,
  { pods, concurrency, atHalf, retryAfterMs, ...plan }: CreationPlan,
): Promise<Creation[]> => {
  const path = `${plan.path}?dryRun=All`;
  const bodies = pods.map((pod) => Buffer.from(JSON.stringify(pod)));
  const attempt = async (body: Buffer): Promise<Attempt> => {
    const answer = await call({ method: 'POST', path, body });
    return { ...classifyOutcome(answer.status, answer.body), endedAt: performance.now() };
  };
  const create = (body: Buffer): Promise<Creation> =>
    retryAttempts(
      () => attempt(body),
      ({ outcome }) => outcome === 'refused',
      retryAfterMs,
    );
  const creations: Creation[] = [];
  let meanwhile: Promise<void> | undefined;
  const waiting = bodies.entries();
  const lane = async () => {
    for (const [index, body] of waiting) {
      if (index === bodies.length >> 1) meanwhile = atHalf();
      creations[index] = await create(body);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  await meanwhile;
  return creations;
};

const classifyOutcome = (status: number, answer: string): Pick<Attempt, 'outcome' | 'message'> => {
  if (status !== 201) return { outcome: 'refused', message: `${status} ${answer.slice(0, 500)}` };
  return { outcome: isInjected(parsePod(answer)) ? 'injected' : 'bare', message: '' };
};

/** Returns the longest time without a created pod, from the start to the last created pod. */
export const findLongestGap = (creations: Creation[], startedAt: number): number => {
  const created = creations
    .flat()
    .filter(({ outcome }) => outcome === 'injected')
    .map(({ endedAt }) => endedAt)
    .toSorted((a, b) => a - b);
  return Math.max(...created.map((at, index) => at - (created[index - 1] ?? startedAt)));
};
