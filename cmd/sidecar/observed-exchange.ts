import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { ExchangeError, type Exchange, type RunRequest } from '../../lib/contract/exchange.ts';
import type { SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { Tracing } from '../../lib/edge/telemetry/tracing.ts';

type Outcome = 'issued' | 'refused' | 'unavailable' | 'abandoned';

/**
 * Wraps an exchange: counts, times and logs each outcome, and changes none. Each gets an ID, by which the
 * authority's logs and records name it.
 */
export const createObservedExchange = (
  exchange: Exchange,
  {
    metrics,
    log,
    clock,
    createRequestId,
    fixedKeyAnswers,
    traceId,
  }: {
    metrics: SidecarMetrics;
    log: Log;
    clock: Clock;
    createRequestId: () => string;
    /** Gets the latest answer of each consumer. */
    fixedKeyAnswers: Map<string, boolean>;
  } & Pick<Tracing, 'traceId'>,
): Exchange => {
  return async (given, signal, onRetry) => {
    const requestId = createRequestId();
    const request = { ...given, requestId };
    const startedAt = clock.monotonic();
    const ended = (outcome: Outcome, run?: string): void =>
      metrics.exchangeEnded({
        task: request.task.name,
        outcome,
        seconds: (clock.monotonic() - startedAt) / 1000,
        ids: { run, request: requestId, trace: traceId() },
      });
    try {
      const issued = await exchange(request, signal, onRetry);
      ended(signal.aborted ? 'abandoned' : 'issued', issued.run);
      const { packedPolicyPercent: percent } = issued;
      if (percent !== undefined) metrics.packedPolicy(request.task.name, percent);
      if ('fixedKey' in issued) fixedKeyAnswers.set(request.consumer, issued.fixedKey);
      return { ...issued, requestId };
    } catch (thrown) {
      const outcome = toOutcome(thrown, signal);
      ended(outcome);
      if (outcome !== 'abandoned') logFailure(log, request, thrown);
      throw thrown;
    }
  };
};

const toOutcome = (thrown: unknown, signal: AbortSignal): Outcome => {
  if (signal.aborted) return 'abandoned';
  return thrown instanceof ExchangeError ? thrown.kind : 'unavailable';
};

const logFailure = (
  log: Log,
  { task, consumer, requestId }: RunRequest & { readonly requestId: string },
  thrown: unknown,
): void => {
  const fields = { task: task.name, consumer, request: requestId };
  if (thrown instanceof ExchangeError) {
    log.warn(`exchange ${thrown.kind}`, { ...fields, code: thrown.code, reason: thrown.message });
  } else {
    const error = thrown instanceof Error ? thrown.name : typeof thrown;
    log.error('exchange failed', { ...fields, error });
  }
};
