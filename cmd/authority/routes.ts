import type { RequestListener } from 'node:http';

import {
  EVENTS_PATH,
  FOLLOW_HEADER,
  JWKS_PATH,
  MAX_FOLLOWED,
  OAUTH_METADATA_PATH,
  OPENID_METADATA_PATH,
  CALLS_PATH,
  DECISIONS_PATH,
  DELEGATIONS_PATH,
  PROPOSALS_PATH,
  RECORDS_PATH,
  REVOKE_PATH,
  SIGNALS_PATH,
  TOKEN_PATH,
} from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { AuthoritySettings } from '../../lib/contract/platform.ts';
import { API_DESCRIPTION_PATH } from '../../lib/contract/paths.ts';
import { createFormApp, type StreamHandler } from '../../lib/edge/http/form-app.ts';
import { identifyRequests } from '../../lib/edge/http/request-ids.ts';
import type { JsonResponse } from '../../lib/edge/http/json-response.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import type { Tracing } from '../../lib/edge/telemetry/tracing.ts';
import {
  buildOauthMetadata,
  buildOpenidConfiguration,
  type Jwks,
} from '../../lib/grant/issuer-documents.ts';
import type { Call } from '../../lib/exchange/caller.ts';
import type { RateLimits } from '../../lib/exchange/rate-limits.ts';
import { buildInternalErrorRefusal, RequestError } from '../../lib/exchange/token-refusal.ts';
import { recordRefusedCall } from '../../lib/exchange/exchange-records.ts';
import { endRun, type RunEndDeps } from '../../lib/exchange/run-end-request.ts';
import type { RunReportContext, RunReportDeps } from '../../lib/exchange/run-report.ts';
import { recordCalls } from '../../lib/exchange/call-record-request.ts';
import { handleTokenRequest, type TokenEndpointDeps } from '../../lib/exchange/token-endpoint.ts';
import { truncateText } from '../../lib/schema/truncated-text.ts';
import { AUTHORITY_API } from './api-description.ts';
import {
  answerDelegation,
  answerProposal,
  answerGatedCall,
  answerRedecision,
  type Answer,
  type OversightRouteDeps,
} from './oversight-routes.ts';
import type { EventStreams } from './event-streams.ts';
import {
  recordRequest,
  renderDocument,
  toErrorResponse,
  toResponse,
  withMetrics,
  type RunResponse,
} from './route-responses.ts';
import { buildSignalRoute, type AnswerSignal } from './signals.ts';

export type AuthorityRouteDeps = {
  readonly exchange: TokenEndpointDeps;
  readonly runEnd: RunEndDeps;
  readonly callRecords: RunReportDeps;
  readonly oversight: OversightRouteDeps;
  readonly answerSignal: AnswerSignal;
  readonly streams: Pick<EventStreams, 'serve'>;
  readonly authority: AuthoritySettings;
  /** The current keys in the Secret: clouds ask any replica, and replicas see a taint at different times. */
  readonly jwks: () => Promise<Jwks | undefined>;
  readonly rateLimits: Pick<RateLimits, 'checkPeerRateLimit'>;
  readonly metrics: Pick<
    AuthorityMetrics,
    'requestAnswered' | 'callsRecorded' | 'gatedCall' | 'delegationCounted' | 'proposalCounted'
  >;
  readonly tracing: Pick<Tracing, 'wrapListener'>;
  readonly log: Log;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Logs an internal error and returns the ID of its log line. */
  readonly reportInternalError: (error: unknown) => string;
};

/** Creates the authority's routes; each request gets an ID and continues its trace. */
export const createAuthorityRoutes = (deps: AuthorityRouteDeps): RequestListener =>
  identifyRequests(deps.tracing.wrapListener(createAuthorityApp(deps), TRACED_PATHS));

/** The rate limit of the peer applies before a request is read. */
export const createAuthorityApp = (deps: AuthorityRouteDeps): RequestListener => {
  const { authority, jwks, reportInternalError } = deps;
  return createFormApp({
    posts: {
      [TOKEN_PATH]: withMetrics('token', deps, (call) => startRun(call, deps)),
      [REVOKE_PATH]: withMetrics('revoke', deps, (call) => finishRun(call, deps)),
      [DECISIONS_PATH]: withMetrics('decisions', deps, (call) => redecide(call, deps)),
      [PROPOSALS_PATH]: withMetrics('proposals', deps, (call) => propose(call, deps)),
      [DELEGATIONS_PATH]: withMetrics('delegations', deps, (call) => delegateRun(call, deps)),
      [CALLS_PATH]: withMetrics('calls', deps, (call) => decideCall(call, deps)),
      [RECORDS_PATH]: withMetrics('records', deps, (call) => keepCalls(call, deps)),
    },
    texts: {
      [SIGNALS_PATH]: buildSignalRoute(
        withMetrics('signals', deps, (token: string) => takeSignal(token, deps)),
      ),
    },
    documents: {
      ...mountBelowIssuer(authority, JWKS_PATH, async () => renderDocument(await jwks())),
      ...mountBelowIssuer(authority, OPENID_METADATA_PATH, () =>
        renderDocument(buildOpenidConfiguration(authority)),
      ),
      [OAUTH_METADATA_PATH]: () => renderDocument(buildOauthMetadata(authority)),
      [API_DESCRIPTION_PATH]: () => renderDocument(AUTHORITY_API),
    },
    streams: { [EVENTS_PATH]: createStreamHandler(deps) },
    guard: (peer) => checkPeer(peer, deps),
    refuse: (fault, message) =>
      toErrorResponse(new RequestError(fault, message), reportInternalError),
    reportInternalError: (error) =>
      toResponse(buildInternalErrorRefusal(reportInternalError(error))),
  });
};

const TRACED_PATHS = [
  ...[TOKEN_PATH, REVOKE_PATH, DECISIONS_PATH, PROPOSALS_PATH, DELEGATIONS_PATH],
  ...[CALLS_PATH, RECORDS_PATH, SIGNALS_PATH],
];

/** Mounts a document at its path and below the issuer's path: an Ingress may forward either. */
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
  { exchange, log, metrics }: AuthorityRouteDeps,
): Promise<RunResponse> => {
  const outcome = await handleTokenRequest(call, exchange);
  const { caller, details, isDelegated = false } = outcome.context;
  if (isDelegated) metrics.delegationCounted(outcome.kind === 'issued' ? 'used' : 'refused');
  const fields = {
    ...(caller !== undefined && {
      namespace: caller.namespace,
      serviceAccount: caller.serviceAccount,
      pod: caller.pod.name,
    }),
    ...(details !== undefined && { task: details.task, consumer: details.consumer }),
  };
  if (outcome.kind === 'issued') {
    const { run } = outcome.response;
    log.info('run issued', { ...fields, run });
    return { status: 200, body: outcome.response, run };
  }
  const { code: reason, message } = outcome.refusal;
  log.info('run refused', { ...fields, reason, detail: truncateText(message, MAX_DETAIL_LENGTH) });
  return toResponse(outcome.refusal);
};

/** Characters of a refusal in a log line. */
const MAX_DETAIL_LENGTH = 1024;

const finishRun = async (call: Call, deps: AuthorityRouteDeps): Promise<RunResponse> => {
  const { runEnd, exchange, log, reportInternalError } = deps;
  const context: RunReportContext = {};
  try {
    const { run, end, caller } = await endRun(call, context, runEnd);
    const { namespace, pod } = caller;
    log.info('run ended', { namespace, pod: pod.name, run, reason: end });
    return { status: 200, body: {}, run };
  } catch (error) {
    return toErrorResponse(
      await recordRefusedCall(error, { kind: 'run.end_refused', ...context }, exchange),
      reportInternalError,
    );
  }
};

/** Calls are not logged again: the sidecar's journal has them. */
const keepCalls = async (call: Call, deps: AuthorityRouteDeps): Promise<RunResponse> => {
  const context: RunReportContext = {};
  try {
    await recordCalls(call, context, deps.callRecords);
    deps.metrics.callsRecorded();
    return { status: 200, body: {}, run: context.run };
  } catch (error) {
    return toErrorResponse(
      await recordRefusedCall(error, { kind: 'run.calls_refused', ...context }, deps.exchange),
      deps.reportInternalError,
    );
  }
};

/** Renders the error of an answer that has one. */
const toRunResponse = (
  answer: Answer<object>,
  { reportInternalError }: AuthorityRouteDeps,
): RunResponse =>
  'error' in answer
    ? { ...toErrorResponse(answer.error, reportInternalError), run: answer.run }
    : answer;

const redecide = async (call: Call, deps: AuthorityRouteDeps): Promise<RunResponse> =>
  toRunResponse(await answerRedecision(call, deps.oversight), deps);

const propose = async (call: Call, deps: AuthorityRouteDeps): Promise<RunResponse> => {
  const answer = await answerProposal(call, deps.oversight);
  if ('error' in answer) {
    deps.metrics.proposalCounted('refused');
    return toRunResponse(answer, deps);
  }
  const { name, outcome } = answer.body;
  deps.metrics.proposalCounted(outcome);
  return { status: 201, body: { name }, run: answer.run };
};

const delegateRun = async (call: Call, deps: AuthorityRouteDeps): Promise<RunResponse> => {
  const answer = await answerDelegation(call, deps.oversight);
  deps.metrics.delegationCounted('body' in answer ? 'minted' : 'refused');
  return toRunResponse(answer, deps);
};

const decideCall = async (call: Call, deps: AuthorityRouteDeps): Promise<RunResponse> => {
  const started = deps.clock.monotonic();
  const answer = toRunResponse(await answerGatedCall(call, deps.oversight), deps);
  const { status, run } = answer;
  const outcome = status === 200 ? 'allowed' : status === 403 ? 'denied' : 'unavailable';
  deps.metrics.gatedCall({ outcome, seconds: (deps.clock.monotonic() - started) / 1000, run });
  return answer;
};

const takeSignal = async (token: string, deps: AuthorityRouteDeps): Promise<JsonResponse> => {
  try {
    return await deps.answerSignal(token);
  } catch (error) {
    return toErrorResponse(error, deps.reportInternalError);
  }
};

const FOLLOWED = new RegExp(`^[\\w-]{1,64}(,[\\w-]{1,64}){0,${MAX_FOLLOWED - 1}}$`);
const BEARER = /^Bearer ([\w.-]{1,16384})$/i;

const createStreamHandler =
  (deps: AuthorityRouteDeps): StreamHandler =>
  async (request, response, peer) => {
    const [, token] = BEARER.exec(request.headers.authorization ?? '') ?? [];
    const started = deps.clock.monotonic();
    const recorded = (answer: JsonResponse | undefined): JsonResponse | undefined => {
      recordRequest('events', { answer: answer ?? { status: 200, body: {} }, started }, deps);
      return answer;
    };
    if (token === undefined) {
      const message = 'Authorization: expected Bearer and a JWT of at most 16 KiB';
      return recorded(
        toErrorResponse(new RequestError('request_malformed', message), deps.reportInternalError),
      );
    }
    const follow = request.headers[FOLLOW_HEADER.toLowerCase()];
    if (follow !== undefined && !FOLLOWED.test(String(follow))) {
      const message = `${FOLLOW_HEADER}: expected at most ${MAX_FOLLOWED} IDs of runs`;
      return recorded(
        toErrorResponse(new RequestError('request_malformed', message), deps.reportInternalError),
      );
    }
    const followed = follow === undefined ? [] : String(follow).split(',');
    try {
      await deps.streams.serve(token, response, { peer, followed });
      return recorded(undefined);
    } catch (error) {
      return recorded(toErrorResponse(error, deps.reportInternalError));
    }
  };

const checkPeer = (
  peer: string,
  { rateLimits, reportInternalError, ...deps }: AuthorityRouteDeps,
): JsonResponse | undefined => {
  try {
    rateLimits.checkPeerRateLimit(peer);
    return undefined;
  } catch (error) {
    const answer = toErrorResponse(error, reportInternalError);
    recordRequest('other', { answer, started: deps.clock.monotonic() }, deps);
    return answer;
  }
};
