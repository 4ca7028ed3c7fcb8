import { TASK_DETAILS_TYPE } from '../../lib/contract/authority-api.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';
import {
  createRetryEvaluator,
  toAuthorityError,
} from '../../lib/edge/authority/authority-error.ts';
import { readTokenExchangeResponse, toIssuedRun } from '../../lib/edge/authority/issued-run.ts';
import { IDENTITY_REFUSALS } from '../../lib/identity/identity-refusals.ts';
import { IdentityError } from '../../lib/identity/workload.ts';
import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import { renderTokenResponse } from '../../lib/exchange/token-response.ts';
import {
  buildInternalErrorRefusal,
  RequestError,
  renderRefusal,
  toRefusal,
} from '../../lib/exchange/token-refusal.ts';
import {
  EXCHANGE_REFUSALS,
  REFUSALS,
  type RequestErrorCode,
} from '../../lib/exchange/refusal-table.ts';

const NOW = Date.parse('2026-01-02T03:04:05.678Z');
const credentials = {
  accessKeyId: 'ASIAEXAMPLE',
  secretAccessKey: 'c2VjcmV0',
  sessionToken: 'dG9rZW4=',
};
const granted = {
  type: TASK_DETAILS_TYPE,
  task: 'summarize',
  consumer: 'agent',
  params: {},
} as const;
const issued = { run: 'run-1', credentials, deadline: NOW + 600_000, skewMs: -120 };
const request = { consumer: 'agent', task: buildTask('summarize', ['agent']), params: {} };

const findCode = (call: () => unknown): unknown => {
  try {
    return call();
  } catch (error) {
    if (error instanceof ExchangeError) return [error.kind, error.code];
    throw error;
  }
};

const answer = renderTokenResponse({ ...issued, packedPolicyPercent: 42 }, { granted }, NOW);
const BODIES: readonly string[] = [
  JSON.stringify(answer),
  JSON.stringify({ ...answer, newer: true }),
  ...[{ run: 'a b' }, { token_type: 'Bearer' }, { access_token: '%' }, { access_token: 'e30' }].map(
    (more) => JSON.stringify({ ...answer, ...more }),
  ),
  JSON.stringify({ ...answer, authorization_details: [{ ...granted, task: 'other' }] }),
  JSON.stringify({ ...answer, authorization_details: [{ ...granted, params: { a: 'b' } }] }),
  ...['', '{}', 'null', '[]'],
];
const MIDDLES = [NOW, NOW - 2_000, NOW + 29_000, NOW + 31_000, NOW - 40_000];

const readRun = (body: string, middle: number): unknown =>
  findCode(() => toIssuedRun(readTokenExchangeResponse(body, request), middle, () => undefined));

/** One refusal: what is sent, and what a sidecar makes of it. */
const captureRefusal = (problem: unknown): object | undefined => {
  const refusal = toRefusal(problem);
  if (refusal === undefined) return undefined;
  const { error, reason, policies } = renderRefusal(refusal);
  const { retryAfterMs } = refusal;
  const { status } = refusal.row;
  const headers = retryAfterMs === undefined ? {} : { 'retry-after': `${retryAfterMs / 1000}` };
  const body = JSON.stringify(renderRefusal(refusal));
  const fault = toAuthorityError({ status, headers, body }, ['secret']);
  const decisions = [false, true].map((hasUserToken) =>
    createRetryEvaluator({ hasUserToken })(fault),
  );
  const [{ error: thrown } = { error: undefined }] = decisions;
  return {
    ...{ status, error, reason, policies, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    sidecar: [
      thrown?.kind,
      thrown?.code,
      thrown?.retryAfterMs,
      ...decisions.map(({ action }) => action),
    ],
  };
};

const table = (codes: readonly string[], createError: (code: string) => unknown): object =>
  Object.fromEntries(codes.map((code) => [code, captureRefusal(createError(code))]));

const ofCloud = (kind: ExchangeError['kind']) =>
  table(
    [
      ...Object.keys(EXCHANGE_REFUSALS),
      'ExpiredTokenException',
      'AccessDenied',
      '__proto__',
      'new_code',
    ],
    (code) => new ExchangeError(kind, code, 'x', { retryAfterMs: 7_000 }),
  );

const ofIdentity = (kind: IdentityError['kind']) =>
  table(Object.keys(IDENTITY_REFUSALS), (code) => new IdentityError(kind, code, 'x'));

/** Answers of the token exchange: as the authority renders them and as the sidecar reads them. */
export const captureTokenAnswers = (): object => ({
  answers: [
    answer,
    renderTokenResponse(issued, { granted: { ...granted, purpose: 'p' } }, NOW + 600_500),
  ],
  read: BODIES.map((body) => MIDDLES.map((middle) => readRun(body, middle))),
  refusals: table(Object.keys(REFUSALS), (code) => new RequestError(code as RequestErrorCode, 'x')),
  withPolicies: captureRefusal(new RequestError('policy_denied', 'x', { policies: ['a/0'] })),
  ofCloudRefused: ofCloud('refused'),
  ofCloudUnavailable: ofCloud('unavailable'),
  ofIdentityRefused: ofIdentity('refused'),
  ofIdentityUnavailable: ofIdentity('unavailable'),
  bug: buildInternalErrorRefusal('an-id').code,
  other: captureRefusal(new Error('x')) ?? 'nothing',
});
