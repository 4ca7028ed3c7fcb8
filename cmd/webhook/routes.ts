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
import type { JsonAnswer } from '../../lib/edge/http/express-app.ts';
import type {
  AdmissionOperation,
  AdmissionResult,
  WebhookMetrics,
} from '../../lib/edge/telemetry/webhook-metrics.ts';
import type { PodAdmission } from '../../lib/injection/pod-admission.ts';
import { readPod } from '../../lib/injection/pod-shape.ts';
import { describeFault, type Fault } from '../../lib/reading/fault.ts';
import { profileNamedBy, type Profiles } from './profiles.ts';

type Judge = (request: AdmissionRequest) => Promise<AdmissionOutcome>;

export type RouteSettings = {
  readonly admission: PodAdmission;
  /** Judges TaskPolicies; absent under `trust: cluster`, which has none. */
  readonly admitPolicy: Judge | undefined;
  readonly profiles: Pick<Profiles, 'seek'>;
  readonly metrics: Pick<WebhookMetrics, 'admissionAnswered'>;
  readonly log: Log;
  readonly clock: Clock;
  /** Records a bug; answers the id by which its line is found. */
  readonly onBug: (error: unknown) => string;
};

type Post = (body: unknown) => Promise<JsonAnswer>;

/** The webhook's routes: body → review → judgement → answer. */
export const admissionRoutes = (settings: RouteSettings): Readonly<Record<string, Post>> => {
  const { admission, admitPolicy, profiles } = settings;
  const ofPods =
    (judge: Judge): Judge =>
    async (request) => {
      await seekProfile(request, profiles);
      return judge(request);
    };
  const judges: readonly (readonly [string, AdmissionOperation, Judge])[] = [
    [MUTATE_PATH, 'mutate', ofPods(admission.mutate)],
    [VALIDATE_PATH, 'validate', ofPods(admission.validate)],
    ...(admitPolicy ? [[VALIDATE_POLICY_PATH, 'validate-policy', admitPolicy] as const] : []),
  ];
  return Object.fromEntries(
    judges.map(([path, operation, judge]) => [path, answerBy(operation, judge, settings)]),
  );
};

const answerBy =
  (operation: AdmissionOperation, judge: Judge, settings: RouteSettings): Post =>
  async (body) => {
    const started = settings.clock.monotonic();
    const review = readReview(body);
    const seconds = () => (settings.clock.monotonic() - started) / 1000;
    if (!review.ok) {
      recordMalformed({ operation, faults: review.faults, seconds: seconds() }, settings);
      return { status: 400, body: { message: review.faults.map(describeFault).join('\n') } };
    }
    const outcome = await judgeSafely(judge, review.value, settings);
    record({ operation, request: review.value, outcome, seconds: seconds() }, settings);
    return { status: 200, body: answerReview(review.value, outcome) };
  };

/** A bug refuses, says nothing of itself, and leaves a line. */
const judgeSafely = async (
  judge: Judge,
  request: AdmissionRequest,
  { onBug }: RouteSettings,
): Promise<AdmissionOutcome> => {
  try {
    return await judge(request);
  } catch (error) {
    return errored(500, `internal error ${onBug(error)}`);
  }
};

const seekProfile = async (
  { object }: AdmissionRequest,
  { seek }: RouteSettings['profiles'],
): Promise<void> => {
  const pod = readPod(object);
  const named = pod.ok ? profileNamedBy(pod.value) : undefined;
  if (named !== undefined) await seek(named);
};

type Malformed = {
  readonly operation: AdmissionOperation;
  readonly faults: readonly Fault[];
  readonly seconds: number;
};

const recordMalformed = (
  { operation, faults, seconds }: Malformed,
  { metrics, log }: RouteSettings,
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

const record = (
  { operation, request, outcome, seconds }: Answered,
  { metrics, log }: RouteSettings,
): void => {
  const result = resultOf(outcome);
  const rules = outcome.auditAnnotations?.['refused'] ?? '';
  metrics.admissionAnswered({ operation, outcome: result, reason: reasonOf(rules), seconds });
  const excuses = excusesOf(outcome);
  const isQuiet = result === 'allowed' && Object.keys(excuses).length === 0;
  const line = isQuiet ? log.debug : log.info;
  line('admission answered', {
    operation,
    outcome: result,
    request: request.uid,
    namespace: request.namespace,
    name: request.name,
    dryRun: request.dryRun,
    ...(rules !== '' && { rules: rules.split(',') }),
    ...excuses,
  });
};

/** What was let through though it broke a rule, as the API server's audit log has it too. */
const excusesOf = ({ auditAnnotations = {} }: AdmissionOutcome): LogFields => {
  const { exceptions, warned, 'break-glass': breakGlass } = auditAnnotations;
  return {
    ...(exceptions !== undefined && { exceptions }),
    ...(warned !== undefined && { warned }),
    ...(breakGlass !== undefined && { breakGlass }),
  };
};

const resultOf = ({ allowed, patch, status }: AdmissionOutcome): AdmissionResult => {
  if (allowed) return patch === undefined ? 'allowed' : 'patched';
  return status?.code === 403 ? 'denied' : 'errored';
};

/** Rules are few and known; anything else must not become a label. */
const reasonOf = (rules: string): string => {
  if (rules === '') return 'none';
  if (rules.includes(',')) return 'several';
  return /^(declaration|policy|\d{1,2})$/.test(rules) ? rules : 'other';
};
