import type { ExemptedRules } from '../contract/exempted-rules.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import { formatFieldError, type FieldError, type Result } from '../schema/field-error.ts';
import { checkPodState } from './pod-state.ts';
import type { ProjectedClaims } from './projected-token.ts';
import { newRefusedError, newUnavailableError, type IdentityCode } from './identity-refusals.ts';
import { checkTokenReview, type ReviewToken } from './token-review.ts';
import type { Workload } from './workload.ts';

/** A pod as the API server has it, or nothing; throws when that cannot be known. */
export type ReadPod = (place: {
  readonly namespace: string;
  readonly name: string;
}) => Promise<unknown>;

/** The labels of a namespace, or nothing where there is no such; throws when that cannot be known. */
export type ReadNamespaceLabels = (
  namespace: string,
) => Promise<Readonly<Record<string, string>> | undefined>;

/** The annotations of a service account, or nothing where there is no such; throws as above. */
type ReadAccountAnnotations = (place: {
  readonly namespace: string;
  readonly name: string;
}) => Promise<Readonly<Record<string, string>> | undefined>;

type EvaluatedPod = {
  readonly admitted: AdmittedTasks;
  readonly templateHash: string;
  readonly exempted: ExemptedRules;
};

/** What else counts when a live pod is judged. */
type PodEvaluationContext = {
  /** Absent: there is none of its name, so nothing is bound to it. */
  readonly serviceAccount?: {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  /** Those of the pod's namespace, which may excuse a breach. */
  readonly readLabels: () => ReturnType<ReadNamespaceLabels>;
};

/** Rules 2–7 and 9 on a live pod, by the code that admission uses, and what its sidecar was given. */
export type EvaluatePod = (
  pod: unknown,
  around: PodEvaluationContext,
) => Result<EvaluatedPod> | Promise<Result<EvaluatedPod>>;

/** Whether the platform would admit these tasks today, written in this very form. */
export type RevalidateTasks = (admitted: AdmittedTasks) => Promise<Result<AdmittedTasks>>;

export type WorkloadIdentifierDeps = {
  /** `sidecar.audience` of the platform. */
  readonly audience: string;
  readonly readPod: ReadPod;
  readonly reviewToken: ReviewToken;
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly readServiceAccount: ReadAccountAnnotations;
  readonly evaluatePod: EvaluatePod;
  readonly revalidateTasks: RevalidateTasks;
};

/** What else is known of a request. */
export type RequestOrigin = {
  /** Address that it came from: must be the pod's own. Absent: not compared. */
  readonly peer?: string;
};

/**
 * Makes of a verified token the workload that asks. The API server is asked four things at once; they
 * are judged in order: the live pod, its TokenReview, the rules, by the service account too, the
 * tasks, the namespace.
 *
 * @returns throws IdentityError: refused with the code of the first step that says no, or unavailable
 *   where a step before it had no answer
 */
export const createWorkloadIdentifier =
  (terms: WorkloadIdentifierDeps) =>
  async (
    claims: ProjectedClaims,
    token: string,
    { peer }: RequestOrigin = {},
  ): Promise<Workload> => {
    const { namespace, serviceAccount } = claims;
    const lookups = startLookups(claims, token, terms);
    const raw = await lookups.pod;
    const pod = checkPodState(raw, claims, peer);
    checkTokenReview(await lookups.review, claims, terms.audience);
    const annotations = await lookups.accountAnnotations;
    const evaluated = await terms.evaluatePod(raw, {
      ...(annotations && { serviceAccount: { name: serviceAccount.name, annotations } }),
      readLabels: () => lookups.namespaceLabels,
    });
    const { admitted, templateHash, exempted } = unwrapResult('pod_noncompliant', evaluated);
    const tasks = unwrapResult('tasks_invalid', await terms.revalidateTasks(admitted));
    const namespaceLabels = await lookups.namespaceLabels;
    if (namespaceLabels === undefined) {
      throw newRefusedError('namespace_not_found', `expected namespace ${namespace}, got none`);
    }
    return {
      ...{ namespace, namespaceLabels, serviceAccount: serviceAccount.name },
      pod: { name: claims.pod.name, ...pod },
      ...{
        admitted: tasks,
        templateHash: templateHash,
        exempted,
        tokenExpiresAt: claims.expiresAt,
      },
    };
  };

const startLookups = (
  { namespace, pod, serviceAccount }: ProjectedClaims,
  token: string,
  terms: WorkloadIdentifierDeps,
) => ({
  pod: withUnavailableError('the pod', terms.readPod({ namespace, name: pod.name })),
  review: withUnavailableError('the token', terms.reviewToken(token, terms.audience)),
  accountAnnotations: withUnavailableError(
    'the service account',
    terms.readServiceAccount({ namespace, name: serviceAccount.name }),
  ),
  namespaceLabels: withUnavailableError('the namespace', terms.readNamespaceLabels(namespace)),
});

/** No answer is never a no. A step that refuses first leaves later ones unheard, and that is no crash. */
const withUnavailableError = <T>(what: string, answer: Promise<T>): Promise<T> => {
  const result = answer.catch((cause: unknown) => {
    const message = `the API server gave no answer about ${what}`;
    throw newUnavailableError('kubernetes_unavailable', message, { cause });
  });
  result.catch(() => undefined);
  return result;
};

/** More lines than this help nobody, and a hostile pod could have thousands. */
const MAX_FIELD_ERRORS = 10;

const unwrapResult = <T>(code: IdentityCode, result: Result<T>): T => {
  if (result.ok) return result.value;
  throw newRefusedError(code, formatFieldErrors(result.faults));
};

const formatFieldErrors = (faults: readonly FieldError[]): string => {
  const rest =
    faults.length > MAX_FIELD_ERRORS ? [`and ${faults.length - MAX_FIELD_ERRORS} more`] : [];
  return [...faults.slice(0, MAX_FIELD_ERRORS).map(formatFieldError), ...rest].join('\n');
};
