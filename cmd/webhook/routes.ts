import { errored } from '../../lib/admission/outcome.ts';
import {
  answerReview,
  readReview,
  type AdmissionOutcome,
  type AdmissionRequest,
} from '../../lib/admission/review.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log, LogFields } from '../../lib/contract/log.ts';
import { MUTATE_PATH, VALIDATE_PATH, VALIDATE_POLICY_PATH } from '../../lib/contract/paths.ts';
import type { JsonResponse } from '../../lib/edge/http/json-app.ts';
import type {
  AdmissionOperation,
  AdmissionResult,
  WebhookMetrics,
} from '../../lib/edge/telemetry/webhook-metrics.ts';
import type { PodAdmission } from '../../lib/injection/admission.ts';
import { parsePod } from '../../lib/injection/pod-schema.ts';
import { formatFieldError, type FieldError } from '../../lib/schema/field-error.ts';
import { findTemplateHash, type TemplateRegistry } from './template-registry.ts';

type HandleReview = (request: AdmissionRequest) => Promise<AdmissionOutcome>;

export type AdmissionRouteDeps = {
  readonly admission: PodAdmission;
  /** Judges TaskPolicies; absent under `trust: cluster`, which has none. */
  readonly admitPolicy: HandleReview | undefined;
  readonly templates: Pick<TemplateRegistry, 'refreshIfUnknown'>;
  readonly metrics: Pick<WebhookMetrics, 'admissionAnswered'>;
  readonly log: Log;
  readonly clock: Clock;
  /** Records a bug; answers the id by which its line is found. */
  readonly reportInternalError: (error: unknown) => string;
};

type Post = (body: unknown) => Promise<JsonResponse>;

/** The webhook's routes: body → review → judgement → answer. */
export const createAdmissionRoutes = (
  settings: AdmissionRouteDeps,
): Readonly<Record<string, Post>> => {
  const { admission, admitPolicy, templates } = settings;
  const withTemplateRefresh =
    (judge: HandleReview): HandleReview =>
    async (request) => {
      await refreshNamedTemplate(request, templates);
      return judge(request);
    };
  const handlers: readonly (readonly [string, AdmissionOperation, HandleReview])[] = [
    [MUTATE_PATH, 'mutate', withTemplateRefresh(admission.mutate)],
    [VALIDATE_PATH, 'validate', withTemplateRefresh(admission.validate)],
    ...(admitPolicy ? [[VALIDATE_POLICY_PATH, 'validate-policy', admitPolicy] as const] : []),
  ];
  return Object.fromEntries(
    handlers.map(([path, operation, judge]) => [
      path,
      createReviewRoute(operation, judge, settings),
    ]),
  );
};

const createReviewRoute =
  (operation: AdmissionOperation, judge: HandleReview, settings: AdmissionRouteDeps): Post =>
  async (body) => {
    const started = settings.clock.monotonic();
    const review = readReview(body);
    const seconds = () => (settings.clock.monotonic() - started) / 1000;
    if (!review.ok) {
      recordMalformed({ operation, faults: review.faults, seconds: seconds() }, settings);
      return { status: 400, body: { message: review.faults.map(formatFieldError).join('\n') } };
    }
    const outcome = await handleSafely(judge, review.value, settings);
    recordOutcome({ operation, request: review.value, outcome, seconds: seconds() }, settings);
    return { status: 200, body: answerReview(review.value, outcome) };
  };

/** A bug refuses, says nothing of itself, and leaves a line. */
const handleSafely = async (
  judge: HandleReview,
  request: AdmissionRequest,
  { reportInternalError }: AdmissionRouteDeps,
): Promise<AdmissionOutcome> => {
  try {
    return await judge(request);
  } catch (error) {
    return errored(500, `internal error ${reportInternalError(error)}`);
  }
};

const refreshNamedTemplate = async (
  { object }: AdmissionRequest,
  { refreshIfUnknown }: AdmissionRouteDeps['templates'],
): Promise<void> => {
  const pod = parsePod(object);
  const hash = pod.ok ? findTemplateHash(pod.value) : undefined;
  if (hash !== undefined) await refreshIfUnknown(hash);
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
  log.warn('request was no review', { operation, faults: faults.map(({ path }) => path) });
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
    ...exemptions,
  });
};

/** What was let through though it broke a rule, as the API server's audit log has it too. */
const toExemptionFields = ({ auditAnnotations = {} }: AdmissionOutcome): LogFields => {
  const { exceptions, warned, 'break-glass': breakGlass } = auditAnnotations;
  return {
    ...(exceptions !== undefined && { exceptions }),
    ...(warned !== undefined && { warned }),
    ...(breakGlass !== undefined && { breakGlass }),
  };
};

const toAdmissionResult = ({ allowed, patch, status }: AdmissionOutcome): AdmissionResult => {
  if (allowed) return patch === undefined ? 'allowed' : 'patched';
  return status?.code === 403 ? 'denied' : 'errored';
};

/** Rules are few and known; anything else must not become a label. */
const toReasonLabel = (rules: string): string => {
  if (rules === '') return 'none';
  if (rules.includes(',')) return 'several';
  return /^(declaration|policy|\d{1,2})$/.test(rules) ? rules : 'other';
};
