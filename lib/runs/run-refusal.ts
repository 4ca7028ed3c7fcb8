import type { StreamedRevocation } from '../contract/authority-api.ts';
import { ExchangeError } from '../contract/exchange.ts';

/** Why there are no credentials, as the consumer is told: `{Code, Message}` and Retry-After. */
export type RunRefusal = {
  readonly kind: 'refusal';
  /** Whether asking again may help: `unavailable` is the lack of an answer, `refused` is one. */
  readonly nature: 'refused' | 'unavailable';
  /** Stable, machine-readable. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
  /** Set when an exchange refused: its codes are not the sidecar's own, even where they are equal. */
  readonly origin?: 'exchange';
};

/** An answer is remembered so long for those who ask again; then an exchange is tried again. */
const REFUSED_TTL_MS = 5_000;
const UNAVAILABLE_TTL_MS = 2_000;

export const exchangeInProgress: RunRefusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'exchange_in_progress',
  message: 'The credentials are being fetched. Ask again.',
  retryAfterMs: 1_000,
};

export const terminating: RunRefusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'terminating',
  message: 'The pod is ending; its runs have ended with it.',
  retryAfterMs: 1_000,
};

export const runEndedBeforeUse: RunRefusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'run_ended_before_use',
  message: 'The run was ended before it was handed out. Ask again.',
  retryAfterMs: 1_000,
};

export const buildRunRevokedRefusal = ({ name, reason }: StreamedRevocation): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'run_revoked',
  message: `The run was revoked (Revocation ${name}): ${reason}`,
  retryAfterMs: REFUSED_TTL_MS,
});

export const buildAuthorityDisconnectedRefusal = (silentMs: number): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'authority_disconnected',
  message: `The run was ended: nothing was heard of the authority for ${Math.round(silentMs / 1000)} s, the most that the platform allows (maxSilence).`,
  retryAfterMs: REFUSED_TTL_MS,
});

export const buildTooManyRunsRefusal = (limit: number, retryAfterMs: number): RunRefusal => ({
  kind: 'refusal',
  nature: 'unavailable',
  code: 'too_many_runs',
  message: `This consumer has ${limit} live runs, the most it may have. Complete one (DELETE /v1/runs/{run}) or wait for one to end.`,
  retryAfterMs,
});

export const buildStartRateExceededRefusal = (retryAfterMs: number): RunRefusal => ({
  kind: 'refusal',
  nature: 'unavailable',
  code: 'start_rate_exceeded',
  message:
    'This consumer starts runs faster than it may. Use a run until its task is done, and wait as Retry-After says.',
  retryAfterMs,
});

export const buildClockSkewRefusal = (lifetimeSeconds: number, skewMs: number): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'clock_skew',
  message: `The cloud's clock is ${Math.round(skewMs / 1000)} s ahead of this node's: a run of ${lifetimeSeconds} s is over before it begins. Set the node's clock right.`,
  retryAfterMs: REFUSED_TTL_MS,
});

/** What an exchange threw, as an answer. A bug answers opaquely. */
export const toRunRefusal = (thrown: unknown): RunRefusal => {
  const { kind, code, message, retryAfterMs } =
    thrown instanceof ExchangeError
      ? thrown
      : new ExchangeError('unavailable', 'internal_error', 'The exchange failed unexpectedly.');
  const memoryMs = kind === 'refused' ? REFUSED_TTL_MS : UNAVAILABLE_TTL_MS;
  const wait = Math.max(memoryMs, retryAfterMs ?? 0);
  return { kind: 'refusal', nature: kind, code, message, retryAfterMs: wait, origin: 'exchange' };
};
