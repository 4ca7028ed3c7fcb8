import type { ApiConnections } from './api-connections.ts';
import { tryPatiently } from './patience.ts';
import { isInjected, readPod } from './stored-pods.ts';

/** What came of one request; `endedAt` is of `performance.now()`. */
export type Attempt = {
  outcome: 'injected' | 'bare' | 'refused';
  /** Of a refusal. */
  said: string;
  endedAt: number;
};

/** The attempts at one pod: see {@link tryPatiently}. */
export type Creation = Attempt[];

export type CreationPlan = {
  /** Of the pods of a namespace. */
  path: string;
  pods: object[];
  /** Under way at once. */
  lanes: number;
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
export const createAllDry = async (
  { call }: Pick<ApiConnections, 'call'>,
  { pods, lanes, atHalf, retryAfterMs, ...plan }: CreationPlan,
): Promise<Creation[]> => {
  const path = `${plan.path}?dryRun=All`;
  const bodies = pods.map((pod) => Buffer.from(JSON.stringify(pod)));
  const attempt = async (body: Buffer): Promise<Attempt> => {
    const answer = await call({ method: 'POST', path, body });
    return { ...judge(answer.status, answer.body), endedAt: performance.now() };
  };
  const create = (body: Buffer): Promise<Creation> =>
    tryPatiently(
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
  await Promise.all(Array.from({ length: lanes }, lane));
  await meanwhile;
  return creations;
};

const judge = (status: number, answer: string): Pick<Attempt, 'outcome' | 'said'> => {
  if (status !== 201) return { outcome: 'refused', said: `${status} ${answer.slice(0, 500)}` };
  return { outcome: isInjected(readPod(answer)) ? 'injected' : 'bare', said: '' };
};

/** The longest time in which no pod was created, from the beginning to the last that was. */
export const longestGap = (creations: Creation[], startedAt: number): number => {
  const created = creations
    .flat()
    .filter(({ outcome }) => outcome === 'injected')
    .map(({ endedAt }) => endedAt)
    .toSorted((a, b) => a - b);
  return Math.max(...created.map((at, index) => at - (created[index - 1] ?? startedAt)));
};
