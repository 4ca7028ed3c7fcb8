import type { Clock } from '../../lib/contract/clock.ts';
import type { JsonResponse } from '../../lib/edge/http/json-response.ts';
import type {
  AuthorityMetrics,
  AuthorityRoute,
} from '../../lib/edge/telemetry/authority-metrics.ts';
import {
  buildInternalErrorRefusal,
  RequestError,
  renderRefusal,
  toRefusal,
  type TokenRefusal,
} from '../../lib/exchange/token-refusal.ts';
import { DOCUMENTS_MAX_AGE_SECONDS } from '../../lib/grant/grant-times.ts';

/** A response, and the run that it is about, if a record names that. */
export type RunResponse = JsonResponse & { readonly run?: string | undefined };

type MetricDeps = {
  readonly metrics: Pick<AuthorityMetrics, 'requestAnswered'>;
  readonly clock: Pick<Clock, 'monotonic'>;
};

export const withMetrics =
  <T>(
    route: AuthorityRoute,
    deps: MetricDeps,
    post: (given: T) => Promise<RunResponse>,
  ): ((given: T) => Promise<JsonResponse>) =>
  async (call) => {
    const started = deps.clock.monotonic();
    const answer = await post(call);
    recordRequest(route, { answer, started }, deps);
    return answer;
  };

export const recordRequest = (
  route: AuthorityRoute,
  { answer, started }: { readonly answer: RunResponse; readonly started: number },
  { metrics, clock }: MetricDeps,
): void => {
  const { reason } = (answer.body ?? {}) as { readonly reason?: string };
  const seconds = (clock.monotonic() - started) / 1000;
  metrics.requestAnswered({ route, reason, status: answer.status, seconds, run: answer.run });
};

export const toErrorResponse = (
  error: unknown,
  reportInternalError: (error: unknown) => string,
): JsonResponse =>
  toResponse(toRefusal(error) ?? buildInternalErrorRefusal(reportInternalError(error)));

/** RFC 6749, section 5.2; Retry-After in whole seconds. */
export const toResponse = (refusal: TokenRefusal): JsonResponse => {
  const { row, retryAfterMs } = refusal;
  return {
    status: row.status,
    body: renderRefusal(refusal),
    ...(retryAfterMs !== undefined && {
      headers: { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) },
    }),
  };
};

/** Renders a public document, which verifiers of grants may cache. */
export const renderDocument = (document: object | undefined): JsonResponse => {
  if (document === undefined) {
    const refusal = toRefusal(
      new RequestError('signing_keys_stale', 'the signing keys are not loaded, or stale'),
    );
    return refusal === undefined ? { status: 503, body: {} } : toResponse(refusal);
  }
  const cache = `public, max-age=${DOCUMENTS_MAX_AGE_SECONDS}`;
  return { status: 200, body: document, headers: { 'Cache-Control': cache } };
};
