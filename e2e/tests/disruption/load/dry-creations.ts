import type { ApiConnections } from './api-connections.ts';
import { retryAttempts } from '../../../../test/kit/retry.ts';
import { isInjected, parsePod } from './stored-pods.ts';

/** What came of one request; `endedAt` is of `performance.now()`. */
export type Attempt = {
  outcome: 'injected' | 'bare' | 'refused';
  /** Of a refusal. */
  message: string;
  endedAt: number;
};

/** The attempts at one pod: see {@link retryAttempts}. */
export type Creation = Attempt[];

export type CreationPlan = {
  /** Of the pods of a namespace. */
  path: string;
  pods: object[];
  /** Under way at once. */
  concurrency: number;
  /** Done once, when half of them have begun; the others go on meanwhile. */
  atHalf: () => Promise<void>;
  retryAfterMs?: number;
};

/**
 * Creates pods as dry runs, for which the API server asks every webhook as ever, and again each
 * that was refused.
 *
 * @throws when a request has no answer
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

/** The longest time in which no pod was created, from the beginning to the last that was. */
export const findLongestGap = (creations: Creation[], startedAt: number): number => {
  const created = creations
    .flat()
    .filter(({ outcome }) => outcome === 'injected')
    .map(({ endedAt }) => endedAt)
    .toSorted((a, b) => a - b);
  return Math.max(...created.map((at, index) => at - (created[index - 1] ?? startedAt)));
};
