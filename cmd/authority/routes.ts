import type { RequestListener } from 'node:http';

import {
  EVENTS_PATH,
  JWKS_PATH,
  OAUTH_METADATA_PATH,
  OPENID_METADATA_PATH,
  REVOKE_PATH,
  TOKEN_PATH,
} from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { AuthoritySettings } from '../../lib/contract/platform.ts';
import { createFormApp, type StreamHandler } from '../../lib/edge/http/form-app.ts';
import type { JsonResponse } from '../../lib/edge/http/json-response.ts';
import type {
  AuthorityMetrics,
  AuthorityRoute,
} from '../../lib/edge/telemetry/authority-metrics.ts';
import {
  buildOauthMetadata,
  buildOpenidConfiguration,
  type Jwks,
} from '../../lib/grant/issuer-documents.ts';
import { DOCUMENTS_MAX_AGE_SECONDS } from '../../lib/grant/grant-times.ts';
import type { Call } from '../../lib/exchange/caller.ts';
import type { RateLimits } from '../../lib/exchange/rate-limits.ts';
import {
  buildInternalErrorRefusal,
  IssuingError,
  renderRefusal,
  toRefusal,
  type TokenRefusal,
} from '../../lib/exchange/token-refusal.ts';
import { recordRefusedCall } from '../../lib/exchange/exchange-records.ts';
import { endRun, type RunEndDeps, type RunEndContext } from '../../lib/exchange/run-end-request.ts';
import { handleTokenRequest, type TokenEndpointDeps } from '../../lib/exchange/token-endpoint.ts';
import type { EventStreams } from './event-streams.ts';

export type AuthorityRouteDeps = {
  readonly exchange: TokenEndpointDeps;
  readonly runEnd: RunEndDeps;
  readonly streams: Pick<EventStreams, 'serve'>;
  readonly authority: AuthoritySettings;
  /** As the Secret has them now: clouds ask any replica, and replicas learn of a taint one by one. */
  readonly jwks: () => Promise<Jwks | undefined>;
  readonly rateLimits: Pick<RateLimits, 'checkPeerRateLimit'>;
  readonly metrics: Pick<AuthorityMetrics, 'requestAnswered'>;
  readonly log: Log;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Notes a bug; answers the id by which its line is found. */
  readonly reportInternalError: (error: unknown) => string;
};

/** The authority's routes. What floods is refused before anything of it is read. */
export const createAuthorityRoutes = (parts: AuthorityRouteDeps): RequestListener => {
  const { authority, jwks, reportInternalError } = parts;
  return createFormApp({
    posts: {
      [TOKEN_PATH]: withMetrics('token', parts, (call) => startRun(call, parts)),
      [REVOKE_PATH]: withMetrics('revoke', parts, (call) => finishRun(call, parts)),
    },
    documents: {
      ...mountBelowIssuer(authority, JWKS_PATH, async () => renderDocument(await jwks())),
      ...mountBelowIssuer(authority, OPENID_METADATA_PATH, () =>
        renderDocument(buildOpenidConfiguration(authority)),
      ),
      [OAUTH_METADATA_PATH]: () => renderDocument(buildOauthMetadata(authority)),
    },
    streams: { [EVENTS_PATH]: createStreamHandler(parts) },
    guard: (peer) => checkPeer(peer, parts),
    refuse: (fault, message) =>
      toErrorResponse(new IssuingError(fault, message), reportInternalError),
    reportInternalError: (error) =>
      toResponse(buildInternalErrorRefusal(reportInternalError(error))),
  });
};

/** By its own path, and by the issuer's before it: an Ingress passes on either. */
const mountBelowIssuer = <T>(
  { issuer }: AuthoritySettings,
  path: string,
  document: T,
): Readonly<Record<string, T>> => ({
  [path]: document,
  [new URL(`${issuer}${path}`).pathname]: document,
});

const startRun = async (
  call: Call,
  { exchange, log }: AuthorityRouteDeps,
): Promise<JsonResponse> => {
  const outcome = await handleTokenRequest(call, exchange);
  const { caller, details } = outcome.context;
  const fields = {
    ...(caller !== undefined && {
      namespace: caller.namespace,
      serviceAccount: caller.serviceAccount,
      pod: caller.pod.name,
    }),
    ...(details !== undefined && { task: details.task, consumer: details.consumer }),
  };
  if (outcome.kind === 'issued') {
    log.info('run issued', { ...fields, run: outcome.response.run });
    return { status: 200, body: outcome.response };
  }
  log.info('run refused', { ...fields, reason: outcome.refusal.code });
  return toResponse(outcome.refusal);
};

const finishRun = async (call: Call, parts: AuthorityRouteDeps): Promise<JsonResponse> => {
  const { runEnd, exchange, log, reportInternalError } = parts;
  const known: RunEndContext = {};
  try {
    const { run, end, caller } = await endRun(call, known, runEnd);
    const { namespace, pod } = caller;
    log.info('run ended', { namespace, pod: pod.name, run, reason: end });
    return { status: 200, body: {} };
  } catch (error) {
    return toErrorResponse(
      await recordRefusedCall(error, { kind: 'end.refused', ...known }, exchange),
      reportInternalError,
    );
  }
};

const BEARER = /^Bearer ([\w.-]{1,16384})$/i;

const createStreamHandler =
  (parts: AuthorityRouteDeps): StreamHandler =>
  async (request, response, peer) => {
    const [, token] = BEARER.exec(request.headers.authorization ?? '') ?? [];
    const started = parts.clock.monotonic();
    const recorded = (answer: JsonResponse | undefined): JsonResponse | undefined => {
      recordRequest('events', { answer: answer ?? { status: 200, body: {} }, started }, parts);
      return answer;
    };
    if (token === undefined) {
      const message = 'Authorization: expected Bearer and a JWT of at most 16 KiB';
      return recorded(
        toErrorResponse(new IssuingError('request_malformed', message), parts.reportInternalError),
      );
    }
    try {
      await parts.streams.serve(token, response, peer);
      return recorded(undefined);
    } catch (error) {
      return recorded(toErrorResponse(error, parts.reportInternalError));
    }
  };

const checkPeer = (
  peer: string,
  { rateLimits, reportInternalError, ...parts }: AuthorityRouteDeps,
): JsonResponse | undefined => {
  try {
    rateLimits.checkPeerRateLimit(peer);
    return undefined;
  } catch (error) {
    const answer = toErrorResponse(error, reportInternalError);
    recordRequest('other', { answer, started: parts.clock.monotonic() }, parts);
    return answer;
  }
};

type Post = (call: Call) => Promise<JsonResponse>;

const withMetrics =
  (route: AuthorityRoute, parts: Pick<AuthorityRouteDeps, 'metrics' | 'clock'>, post: Post): Post =>
  async (call) => {
    const started = parts.clock.monotonic();
    const answer = await post(call);
    recordRequest(route, { answer, started }, parts);
    return answer;
  };

const recordRequest = (
  route: AuthorityRoute,
  { answer, started }: { readonly answer: JsonResponse; readonly started: number },
  { metrics, clock }: Pick<AuthorityRouteDeps, 'metrics' | 'clock'>,
): void => {
  const { reason } = answer.body as { readonly reason?: string };
  const seconds = (clock.monotonic() - started) / 1000;
  metrics.requestAnswered({ route, reason, status: answer.status, seconds });
};

const toErrorResponse = (
  error: unknown,
  onBug: AuthorityRouteDeps['reportInternalError'],
): JsonResponse => toResponse(toRefusal(error) ?? buildInternalErrorRefusal(onBug(error)));

/** RFC 6749, section 5.2; Retry-After in whole seconds. */
const toResponse = (refusal: TokenRefusal): JsonResponse => {
  const { row, retryAfterMs } = refusal;
  return {
    status: row.status,
    body: renderRefusal(refusal),
    ...(retryAfterMs !== undefined && {
      headers: { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) },
    }),
  };
};

/** Public, and the same for everybody: whoever verifies grants may hold a copy for a while. */
const renderDocument = (document: object | undefined): JsonResponse => {
  if (document === undefined) {
    const refusal = toRefusal(
      new IssuingError('signing_keys_stale', 'no keys of grants are known'),
    );
    return refusal === undefined ? { status: 503, body: {} } : toResponse(refusal);
  }
  const cache = `public, max-age=${DOCUMENTS_MAX_AGE_SECONDS}`;
  return { status: 200, body: document, headers: { 'Cache-Control': cache } };
};
