import type { RequestListener } from 'node:http';

import {
  EVENTS_PATH,
  JWKS_PATH,
  OAUTH_METADATA_PATH,
  OPENID_METADATA_PATH,
  REVOKE_PATH,
  TOKEN_PATH,
} from '../../lib/contract/authority.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { AuthoritySettings } from '../../lib/contract/platform.ts';
import { createFormApp, type StreamHandler } from '../../lib/edge/http/form-app.ts';
import type { JsonAnswer } from '../../lib/edge/http/json-answer.ts';
import type {
  AuthorityMetrics,
  AuthorityRoute,
} from '../../lib/edge/telemetry/authority-metrics.ts';
import { oauthMetadata, openidConfiguration, type Jwks } from '../../lib/grant/documents.ts';
import { DOCUMENTS_MAX_AGE_SECONDS } from '../../lib/grant/grant-times.ts';
import type { Call } from '../../lib/issuing/caller.ts';
import type { FloodLimits } from '../../lib/issuing/flood-limits.ts';
import { peerOf } from '../../lib/issuing/peer.ts';
import {
  bugRefusal,
  IssuingError,
  renderRefusal,
  toRefusal,
  type Refusal,
} from '../../lib/issuing/refusal.ts';
import { recordedRefusal } from '../../lib/issuing/recorded-refusal.ts';
import { endRun, type EndParts, type KnownEnd } from '../../lib/issuing/run-end.ts';
import { exchangeToken, type ExchangeParts } from '../../lib/issuing/token-exchange.ts';
import type { Streams } from './streams.ts';

export type RouteParts = {
  readonly issuing: ExchangeParts;
  readonly ending: EndParts;
  readonly streams: Pick<Streams, 'serve'>;
  readonly authority: AuthoritySettings;
  /** As the Secret has them now: clouds ask any replica, and replicas learn of a taint one by one. */
  readonly jwks: () => Promise<Jwks | undefined>;
  readonly floods: Pick<FloodLimits, 'admitPeer'>;
  readonly metrics: Pick<AuthorityMetrics, 'requestAnswered'>;
  readonly log: Log;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Notes a bug; answers the id by which its line is found. */
  readonly onBug: (error: unknown) => string;
};

/** The authority's routes. What floods is refused before anything of it is read. */
export const authorityRoutes = (parts: RouteParts): RequestListener => {
  const { authority, jwks, onBug } = parts;
  return createFormApp({
    posts: {
      [TOKEN_PATH]: measured('token', parts, (call) => startRun(call, parts)),
      [REVOKE_PATH]: measured('revoke', parts, (call) => finishRun(call, parts)),
    },
    documents: {
      ...belowIssuer(authority, JWKS_PATH, async () => published(await jwks())),
      ...belowIssuer(authority, OPENID_METADATA_PATH, () =>
        published(openidConfiguration(authority)),
      ),
      [OAUTH_METADATA_PATH]: () => published(oauthMetadata(authority)),
    },
    streams: { [EVENTS_PATH]: listen(parts) },
    guard: (peer) => guarded(peer, parts),
    refuse: (fault, message) => refusedBy(new IssuingError(fault, message), onBug),
    onBug: (error) => answerOf(bugRefusal(onBug(error))),
  });
};

/** By its own path, and by the issuer's before it: an Ingress passes on either. */
const belowIssuer = <T>(
  { issuer }: AuthoritySettings,
  path: string,
  document: T,
): Readonly<Record<string, T>> => ({
  [path]: document,
  [new URL(`${issuer}${path}`).pathname]: document,
});

const startRun = async (call: Call, { issuing, log }: RouteParts): Promise<JsonAnswer> => {
  const outcome = await exchangeToken(call, issuing);
  const { claimant, details } = outcome.known;
  const fields = {
    ...(claimant !== undefined && {
      namespace: claimant.namespace,
      serviceAccount: claimant.serviceAccount,
      pod: claimant.pod.name,
    }),
    ...(details !== undefined && { task: details.task, consumer: details.consumer }),
  };
  if (outcome.kind === 'issued') {
    log.info('run issued', { ...fields, run: outcome.answer.run });
    return { status: 200, body: outcome.answer };
  }
  log.info('run refused', { ...fields, reason: outcome.refusal.code });
  return answerOf(outcome.refusal);
};

const finishRun = async (call: Call, parts: RouteParts): Promise<JsonAnswer> => {
  const { ending, issuing, log, onBug } = parts;
  const known: KnownEnd = {};
  try {
    const { run, end, claimant } = await endRun(call, known, ending);
    const { namespace, pod } = claimant;
    log.info('run ended', { namespace, pod: pod.name, run, reason: end });
    return { status: 200, body: {} };
  } catch (error) {
    return refusedBy(
      await recordedRefusal(error, { kind: 'end.refused', ...known }, issuing),
      onBug,
    );
  }
};

const BEARER = /^Bearer ([\w.-]{1,16384})$/i;

const listen =
  (parts: RouteParts): StreamHandler =>
  async (request, response, peer) => {
    const [, token] = BEARER.exec(request.headers.authorization ?? '') ?? [];
    const started = parts.clock.monotonic();
    const told = (answer: JsonAnswer | undefined): JsonAnswer | undefined => {
      tell('events', { answer: answer ?? { status: 200, body: {} }, started }, parts);
      return answer;
    };
    if (token === undefined) {
      const message = 'Authorization: expected Bearer and a JWT of at most 16 KiB';
      return told(refusedBy(new IssuingError('request_malformed', message), parts.onBug));
    }
    try {
      await parts.streams.serve(token, response, peer);
      return told(undefined);
    } catch (error) {
      return told(refusedBy(error, parts.onBug));
    }
  };

const guarded = (peer: string, { floods, onBug, ...parts }: RouteParts): JsonAnswer | undefined => {
  try {
    floods.admitPeer(peerOf(peer));
    return undefined;
  } catch (error) {
    const answer = refusedBy(error, onBug);
    tell('other', { answer, started: parts.clock.monotonic() }, parts);
    return answer;
  }
};

type Post = (call: Call) => Promise<JsonAnswer>;

const measured =
  (route: AuthorityRoute, parts: Pick<RouteParts, 'metrics' | 'clock'>, post: Post): Post =>
  async (call) => {
    const started = parts.clock.monotonic();
    const answer = await post(call);
    tell(route, { answer, started }, parts);
    return answer;
  };

const tell = (
  route: AuthorityRoute,
  { answer, started }: { readonly answer: JsonAnswer; readonly started: number },
  { metrics, clock }: Pick<RouteParts, 'metrics' | 'clock'>,
): void => {
  const { reason } = answer.body as { readonly reason?: string };
  const seconds = (clock.monotonic() - started) / 1000;
  metrics.requestAnswered({ route, reason, status: answer.status, seconds });
};

const refusedBy = (error: unknown, onBug: RouteParts['onBug']): JsonAnswer =>
  answerOf(toRefusal(error) ?? bugRefusal(onBug(error)));

/** RFC 6749, section 5.2; Retry-After in whole seconds. */
const answerOf = (refusal: Refusal): JsonAnswer => {
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
const published = (document: object | undefined): JsonAnswer => {
  if (document === undefined) {
    const refusal = toRefusal(new IssuingError('keys_stale', 'no keys of grants are known'));
    return refusal === undefined ? { status: 503, body: {} } : answerOf(refusal);
  }
  const cache = `public, max-age=${DOCUMENTS_MAX_AGE_SECONDS}`;
  return { status: 200, body: document, headers: { 'Cache-Control': cache } };
};
