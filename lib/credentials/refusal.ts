import type { StreamedRevocation } from '../contract/authority.ts';
import { ExchangeError } from './exchange.ts';

/** Why there are no credentials, as the consumer is told: `{Code, Message}` and Retry-After. */
export type Refusal = {
  readonly kind: 'refusal';
  /** Whether asking again may help: `unavailable` is the lack of an answer, `refused` is one. */
  readonly nature: 'refused' | 'unavailable';
  /** Stable, machine-readable. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
};

/** An answer is remembered so long for those who ask again; then an exchange is tried again. */
const REFUSED_MEMORY_MS = 5_000;
const UNAVAILABLE_MEMORY_MS = 2_000;

export const inProgress: Refusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'exchange_in_progress',
  message: 'The credentials are being fetched. Ask again.',
  retryAfterMs: 1_000,
};

export const terminating: Refusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'terminating',
  message: 'The pod is ending; its runs have ended with it.',
  retryAfterMs: 1_000,
};

export const endedMeanwhile: Refusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'ended_meanwhile',
  message: 'The run was ended before it was handed out. Ask again.',
  retryAfterMs: 1_000,
};

export const runRevoked = ({ name, reason }: StreamedRevocation): Refusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'run_revoked',
  message: `The run was revoked (Revocation ${name}): ${reason}`,
  retryAfterMs: REFUSED_MEMORY_MS,
});

export const authoritySilent = (silentMs: number): Refusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'authority_silent',
  message: `The run was ended: nothing was heard of the authority for ${Math.round(silentMs / 1000)} s, the most that the platform allows (maxSilence).`,
  retryAfterMs: REFUSED_MEMORY_MS,
});

export const tooManyRuns = (limit: number, retryAfterMs: number): Refusal => ({
  kind: 'refusal',
  nature: 'unavailable',
  code: 'too_many_runs',
  message: `This consumer has ${limit} live runs, the most it may have. Complete one (DELETE /v1/runs/{run}) or wait for one to end.`,
  retryAfterMs,
});

export const tooManyStarts = (retryAfterMs: number): Refusal => ({
  kind: 'refusal',
  nature: 'unavailable',
  code: 'too_many_starts',
  message:
    'This consumer starts runs faster than it may. Use a run until its task is done, and wait as Retry-After says.',
  retryAfterMs,
});

export const overBeforeItBegan = (lifetimeSeconds: number, skewMs: number): Refusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'clock_skew',
  message: `The cloud's clock is ${Math.round(skewMs / 1000)} s ahead of this node's: a run of ${lifetimeSeconds} s is over before it begins. Set the node's clock right.`,
  retryAfterMs: REFUSED_MEMORY_MS,
});

/** What an exchange threw, as an answer. A bug answers opaquely. */
export const refusalOf = (thrown: unknown): Refusal => {
  const { kind, code, message, retryAfterMs } =
    thrown instanceof ExchangeError
      ? thrown
      : new ExchangeError('unavailable', 'internal_error', 'The exchange failed unexpectedly.');
  const memoryMs = kind === 'refused' ? REFUSED_MEMORY_MS : UNAVAILABLE_MEMORY_MS;
  const wait = Math.max(memoryMs, retryAfterMs ?? 0);
  return { kind: 'refusal', nature: kind, code, message, retryAfterMs: wait };
};
