import type { RunRefusal } from '../../runs/run-refusal.ts';

/** The one table from a refusal's code to its HTTP status. */
const HTTP_STATUS_BY_CODE: ReadonlyMap<string, number> = new Map([
  ['bad_request', 400],
  ['user_token_unsupported', 400],
  ['unauthorized', 401],
  ['task_not_allowed', 403],
  ['not_local', 403],
  ['unknown_route', 404],
  ['unknown_task', 404],
  ['no_task', 404],
  ['run_not_live', 404],
  ['method_not_allowed', 405],
  ['no_default_task', 409],
  ['params_required', 409],
  ['body_too_large', 413],
  ['not_json', 415],
  ['too_many_runs', 429],
  ['too_many_starts', 429],
  ['headers_too_large', 431],
  ['internal_error', 500],
]);

/** Codes that are not in the table come from an exchange: an answer is 403, the lack of one 503. */
export const toHttpStatus = ({ code, nature }: RunRefusal): number =>
  HTTP_STATUS_BY_CODE.get(code) ?? (nature === 'refused' ? 403 : 503);
