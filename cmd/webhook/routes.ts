import { allowed, errored } from '../../lib/admission/outcome.ts';
import {
  answerReview,
  readReview,
  type AdmissionOutcome,
  type AdmissionRequest,
} from '../../lib/admission/review.ts';
import { runWithRequestId } from '../../lib/async/request-context.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log, LogFields } from '../../lib/contract/log.ts';
import {
  MUTATE_PATH,
  VALIDATE_PATH,
  VALIDATE_POLICY_PATH,
  WARN_WORKLOAD_PATH,
} from '../../lib/contract/paths.ts';
import { isRequestId, REQUEST_ID_HEADER } from '../../lib/contract/request-id.ts';
import type { JsonResponse } from '../../lib/edge/http/json-app.ts';
import type {
  AdmissionOperation,
  AdmissionResult,
  WebhookMetrics,
} from '../../lib/edge/telemetry/webhook-metrics.ts';
import { truncateText } from '../../lib/schema/truncated-text.ts';
import { formatFieldError, type FieldError } from '../../lib/schema/field-error.ts';

type HandleReview = (request: AdmissionRequest) => Promise<AdmissionOutcome>;

export type AdmissionRouteDeps = {
  readonly mutatePod: HandleReview;
  readonly validatePod: HandleReview;
  /** Warns about workloads whose pods would be refused. */
  readonly warnWorkload: HandleReview;
  /** Validates TaskPolicies and Upstreams. Undefined under `trust: cluster`, which has none. */
  readonly admitPolicy: HandleReview | undefined;
  readonly metrics: Pick<WebhookMetrics, 'admissionAnswered'>;
  readonly log: Log;
  readonly clock: Clock;
  /** Logs an internal error and returns the id of its log line. */
  readonly reportInternalError: (error: unknown) => string;
};

type Post = (body: unknown) => Promise<JsonResponse>;

/** The webhook's routes: body → review → decision → response. */
export const createAdmissionRoutes = (
  settings: AdmissionRouteDeps,
): Readonly<Record<string, Post>> => {
  const { mutatePod, validatePod, warnWorkload, admitPolicy } = settings;
  const handlers: readonly (readonly [string, AdmissionOperation, HandleReview])[] = [
    [MUTATE_PATH, 'mutate', mutatePod],
    [VALIDATE_PATH, 'validate', validatePod],
    [WARN_WORKLOAD_PATH, 'warn-workload', admitOnError(warnWorkload, settings)],
    ...(admitPolicy ? [[VALIDATE_POLICY_PATH, 'validate-policy', admitPolicy] as const] : []),
  ];
  return Object.fromEntries(
    handlers.map(([path, operation, handle]) => [
      path,
      createReviewRoute(operation, handle, settings),
    ]),
  );
};

/** Also an error must not refuse an object that is only warned about. */
const admitOnError =
  (handle: HandleReview, { reportInternalError }: AdmissionRouteDeps): HandleReview =>
  async (request) => {
    try {
      return await handle(request);
    } catch (error) {
      reportInternalError(error);
      return allowed();
    }
  };

const createReviewRoute =
  (operation: AdmissionOperation, handle: HandleReview, settings: AdmissionRouteDeps): Post =>
  async (body) => {
    const started = settings.clock.monotonic();
    const review = readReview(body);
    const seconds = () => (settings.clock.monotonic() - started) / 1000;
    if (!review.ok) {
      recordMalformed({ operation, faults: review.faults, seconds: seconds() }, settings);
      return { status: 400, body: { message: review.faults.map(formatFieldError).join('\n') } };
    }
    return runWithReviewId(review.value, async () => {
      const outcome = await handleSafely(handle, review.value, settings);
      recordOutcome({ operation, request: review.value, outcome, seconds: seconds() }, settings);
      return { status: 200, body: answerReview(review.value, outcome) };
    });
  };

/** The API server sends no ID of its request but that of the review, which its own messages have too. */
const runWithReviewId = async (
  { uid }: AdmissionRequest,
  answer: () => Promise<JsonResponse>,
): Promise<JsonResponse> => {
  if (!isRequestId(uid)) return answer();
  return { ...(await runWithRequestId(uid, answer)), headers: { [REQUEST_ID_HEADER]: uid } };
};

/** An internal error refuses the request. The response holds only the id of the log line. */
const handleSafely = async (
  handle: HandleReview,
  request: AdmissionRequest,
  { reportInternalError }: AdmissionRouteDeps,
): Promise<AdmissionOutcome> => {
  try {
    return await handle(request);
  } catch (error) {
    return errored(500, `internal error ${reportInternalError(error)}`);
  }
};

type Malformed = {
  readonly operation: AdmissionOperation;
  readonly faults: readonly FieldError[];
  readonly seconds: number;
};

const recordMalformed = (
  { operation, faults, seconds }: Malformed,
  { metrics, log }: AdmissionRouteDeps,
): void => {
  metrics.admissionAnswered({ operation, outcome: 'malformed', reason: 'none', seconds });
  log.warn('review malformed', { operation, faults: faults.map(({ path }) => path) });
};

type Answered = {
  readonly operation: AdmissionOperation;
  readonly request: AdmissionRequest;
  readonly outcome: AdmissionOutcome;
  readonly seconds: number;
};

const recordOutcome = (
  { operation, request, outcome, seconds }: Answered,
  { metrics, log }: AdmissionRouteDeps,
): void => {
  const result = toAdmissionResult(outcome);
  const rules = outcome.auditAnnotations?.['refused'] ?? '';
  metrics.admissionAnswered({ operation, outcome: result, reason: toReasonLabel(rules), seconds });
  const exemptions = toExemptionFields(outcome);
  const { message } = outcome.status ?? {};
  const isQuiet = result === 'allowed' && Object.keys(exemptions).length === 0;
  const line = isQuiet ? log.debug : log.info;
  line('admission answered', {
    operation,
    outcome: result,
    request: request.uid,
    namespace: request.namespace,
    name: request.name,
    dryRun: request.dryRun,
    ...(rules !== '' && { rules: rules.split(',') }),
    ...(message !== undefined && { detail: truncateText(message, MAX_DETAIL_LENGTH) }),
    ...exemptions,
  });
};

/** Characters of a refusal in a log line. */
const MAX_DETAIL_LENGTH = 1024;

/** Admitted violations, as in the API server's audit log. */
const toExemptionFields = ({ auditAnnotations = {} }: AdmissionOutcome): LogFields => {
  const { exemptions, warned, 'break-glass': breakGlass } = auditAnnotations;
  return {
    ...(exemptions !== undefined && { exemptions }),
    ...(warned !== undefined && { warned }),
    ...(breakGlass !== undefined && { breakGlass }),
  };
};

const toAdmissionResult = ({ allowed, patch, status }: AdmissionOutcome): AdmissionResult => {
  if (allowed) return patch === undefined ? 'allowed' : 'patched';
  return status?.code === 403 ? 'denied' : 'errored';
};

/** A metric label takes only values from a small, known set. */
const toReasonLabel = (rules: string): string => {
  if (rules === '') return 'none';
  if (rules.includes(',')) return 'several';
  return /^(declaration|policy|upstream|\d{1,2})$/.test(rules) ? rules : 'other';
};
