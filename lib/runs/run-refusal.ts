import type { StreamedRevocation } from '../contract/authority-api.ts';
import { ExchangeError } from '../contract/exchange.ts';
import type { BudgetKind } from '../contract/task.ts';

/** Why the consumer gets no credentials; becomes `{Code, Message}` and `Retry-After`. */
export type RunRefusal = {
  readonly kind: 'refusal';
  /** `refused`: the answer is no. `unavailable`: there is no answer, a retry may help. */
  readonly nature: 'refused' | 'unavailable';
  /** Stable, machine-readable. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
  /** Set when an exchange refused: its codes are not the sidecar's own, even where they are equal. */
  readonly origin?: 'exchange';
};

/** How long a failed exchange is returned to further callers before the next exchange. */
const REFUSED_TTL_MS = 5_000;
const UNAVAILABLE_TTL_MS = 2_000;

export const exchangeInProgress: RunRefusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'exchange_in_progress',
  message: 'The token exchange is still in progress. Retry after the time in Retry-After.',
  retryAfterMs: 1_000,
};

/** The answer during an exchange whose last attempt failed `agoMs` ago. */
export const buildRetryingRefusal = (
  { code, message }: Pick<RunRefusal, 'code' | 'message'>,
  agoMs: number,
): RunRefusal => ({
  ...exchangeInProgress,
  message: `The token exchange is still in progress. Its last attempt failed ${Math.round(agoMs / 1000)} s ago with ${code}: ${message}`,
});

export const terminating: RunRefusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'terminating',
  message: 'The pod is terminating; all its runs have ended.',
  retryAfterMs: 1_000,
};

export const runEndedBeforeUse: RunRefusal = {
  kind: 'refusal',
  nature: 'unavailable',
  code: 'run_ended_before_use',
  message: 'The run ended before its credentials were returned. Retry the request.',
  retryAfterMs: 1_000,
};

export const buildRunRevokedRefusal = ({ name, reason }: StreamedRevocation): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'run_revoked',
  message: `The run was revoked (Revocation ${name}): ${reason}`,
  retryAfterMs: REFUSED_TTL_MS,
});

export const buildAncestorEndedRefusal = ({ name, reason }: StreamedRevocation): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'run_revoked',
  message: `The run was ended because a run above it, which delegated it, ended (Revocation ${name}): ${reason}`,
  retryAfterMs: REFUSED_TTL_MS,
});

/** @param message of the authority, with the policies that deny */
export const buildPolicyChangedRefusal = (message: string): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'run_revoked',
  message: `The run was ended because policies changed (policy_changed). ${message}`,
  retryAfterMs: REFUSED_TTL_MS,
});

export const buildAuthorityDisconnectedRefusal = (disconnectedMs: number): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'authority_disconnected',
  message: `The run was ended because the sidecar had no contact with the authority for ${Math.round(disconnectedMs / 1000)} s, the platform's limit (disconnectTimeout). Check the authority's pods and network policies.`,
  retryAfterMs: REFUSED_TTL_MS,
});

export const buildTooManyRunsRefusal = (limit: number, retryAfterMs: number): RunRefusal => ({
  kind: 'refusal',
  nature: 'unavailable',
  code: 'too_many_runs',
  message: `This consumer has ${limit} active runs, the maximum. Complete one with DELETE /v1/runs/{run}, or wait until one ends.`,
  retryAfterMs,
});

export const buildStartRateExceededRefusal = (retryAfterMs: number): RunRefusal => ({
  kind: 'refusal',
  nature: 'unavailable',
  code: 'start_rate_exceeded',
  message:
    'This consumer exceeds the rate at which it may start runs. Reuse a run until its task is done, and wait for the time in Retry-After.',
  retryAfterMs,
});

/** @param exceeded until when the task is closed, milliseconds since the epoch */
export const buildBudgetExceededRefusal = (
  { task, kind, until }: { task: string; kind: BudgetKind; until: number },
  retryAfterMs: number,
): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'budget_exceeded',
  message: `A run of task ${task} used up its budget of ${kind}. The task is closed in this pod until ${new Date(until).toISOString()}, the deadline of that run.`,
  retryAfterMs: Math.max(REFUSED_TTL_MS, retryAfterMs),
});

export const buildClockSkewRefusal = (lifetimeSeconds: number, skewMs: number): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code: 'clock_skew',
  message: `The cloud's clock is ${Math.round(skewMs / 1000)} s ahead of this node's clock: a run of ${lifetimeSeconds} s would expire before it starts. Correct the node's clock.`,
  retryAfterMs: REFUSED_TTL_MS,
});

/** Converts what an exchange threw. An internal error returns no details. */
export const toRunRefusal = (thrown: unknown): RunRefusal => {
  const { kind, code, message, retryAfterMs } =
    thrown instanceof ExchangeError
      ? thrown
      : new ExchangeError(
          'unavailable',
          'internal_error',
          'The token exchange failed with an internal error of the sidecar.',
        );
  const ttlMs = kind === 'refused' ? REFUSED_TTL_MS : UNAVAILABLE_TTL_MS;
  const waitMs = Math.max(ttlMs, retryAfterMs ?? 0);
  return { kind: 'refusal', nature: kind, code, message, retryAfterMs: waitMs, origin: 'exchange' };
};
