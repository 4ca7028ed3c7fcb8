import type { RunRefusal } from '../../runs/run-refusal.ts';

/** The only table of refusal codes and HTTP statuses. */
const HTTP_STATUS_BY_CODE: ReadonlyMap<string, number> = new Map([
  ['bad_request', 400],
  ['user_token_unsupported', 400],
  ['proposals_unsupported', 400],
  ['delegation_unsupported', 400],
  ['unauthorized', 401],
  ['task_not_allowed', 403],
  ['not_local', 403],
  ['route_unknown', 404],
  ['task_unknown', 404],
  ['task_not_declared', 404],
  ['run_unknown', 404],
  ['refusal_unknown', 404],
  ['method_not_allowed', 405],
  ['no_default_task', 409],
  ['params_required', 409],
  ['no_credentials', 409],
  ['nothing_to_propose', 409],
  ['delegation_required', 409],
  ['body_too_large', 413],
  ['not_json', 415],
  ['too_many_runs', 429],
  ['too_many_proposals', 429],
  ['start_rate_exceeded', 429],
  ['headers_too_large', 431],
  ['internal_error', 500],
]);

/** The authority has these codes too; a denial by the authority is 403, as every denial is. */
const SHARED_WITH_AUTHORITY: ReadonlySet<string> = new Set([
  'route_unknown',
  'task_unknown',
  'delegation_required',
]);

/** Codes that are not in the table come from an exchange: a denial is 403, no answer is 503. */
export const toHttpStatus = ({ code, nature, origin }: RunRefusal): number => {
  const isShared = origin === 'exchange' && SHARED_WITH_AUTHORITY.has(code);
  const status = isShared ? undefined : HTTP_STATUS_BY_CODE.get(code);
  return status ?? (nature === 'refused' ? 403 : 503);
};
