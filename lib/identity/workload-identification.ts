import type { ExemptedRules } from '../contract/exempted-rules.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import { formatFieldError, type FieldError, type Result } from '../schema/field-error.ts';
import { checkPodState } from './pod-state.ts';
import type { ProjectedClaims } from './projected-token.ts';
import { newRefusedError, newUnavailableError, type IdentityCode } from './identity-refusals.ts';
import { checkTokenReview, type ReviewToken } from './token-review.ts';
import type { Workload } from './workload.ts';

/** Reads a pod; undefined if it does not exist. Rejects if the API server fails. */
export type ReadPod = (place: {
  readonly namespace: string;
  readonly name: string;
}) => Promise<unknown>;

/** Reads a namespace's labels; undefined if it does not exist. Rejects if the API server fails. */
export type ReadNamespaceLabels = (
  namespace: string,
) => Promise<Readonly<Record<string, string>> | undefined>;

/** Reads the annotations of a service account; undefined if it does not exist. Rejects likewise. */
type ReadAccountAnnotations = (place: {
  readonly namespace: string;
  readonly name: string;
}) => Promise<Readonly<Record<string, string>> | undefined>;

type EvaluatedPod = {
  readonly admitted: AdmittedTasks;
  readonly templateHash: string;
  readonly exempted: ExemptedRules;
  readonly isKeyFixed?: boolean;
};

/** What the evaluation of a running pod needs in addition to the pod. */
type PodEvaluationContext = {
  /** Absent if the service account does not exist; then no cloud identity is bound to it. */
  readonly serviceAccount?: {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  /** Labels of the pod's namespace, which may exempt the pod from a rule. */
  readonly readLabels: () => ReturnType<ReadNamespaceLabels>;
};

/** Evaluates rules 2–7 and 9 on a running pod by the code of admission, and reads its tasks. */
export type EvaluatePod = (
  pod: unknown,
  around: PodEvaluationContext,
) => Result<EvaluatedPod> | Promise<Result<EvaluatedPod>>;

/** Checks that the platform would admit these tasks today, in exactly this form. */
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

/** Where a request came from. */
export type RequestOrigin = {
  /** Address that sent it; must belong to the pod. Absent if it is not compared. */
  readonly peer?: string;
};

/**
 * Creates the function that identifies the workload of a verified token. It starts four lookups at
 * once, and checks their results in order: pod state, TokenReview, rules (with the service account),
 * tasks, namespace.
 *
 * @returns throws IdentityError: refused with the code of the first check that fails, or unavailable
 *   if an earlier lookup failed
 */
export const createWorkloadIdentifier =
  (deps: WorkloadIdentifierDeps) =>
  async (
    claims: ProjectedClaims,
    token: string,
    { peer }: RequestOrigin = {},
  ): Promise<Workload> => {
    const { namespace, serviceAccount } = claims;
    const lookups = startLookups(claims, token, deps);
    const raw = await lookups.pod;
    const pod = checkPodState(raw, claims, peer);
    checkTokenReview(await lookups.review, claims, deps.audience);
    const annotations = await lookups.accountAnnotations;
    const evaluated = await deps.evaluatePod(raw, {
      ...(annotations && { serviceAccount: { name: serviceAccount.name, annotations } }),
      readLabels: () => lookups.namespaceLabels,
    });
    const { admitted, templateHash, exempted, isKeyFixed } = unwrapResult(
      'pod_noncompliant',
      evaluated,
    );
    const tasks = unwrapResult('tasks_invalid', await deps.revalidateTasks(admitted));
    const namespaceLabels = await lookups.namespaceLabels;
    if (namespaceLabels === undefined) {
      throw newRefusedError('namespace_not_found', `expected namespace ${namespace}, got none`);
    }
    return {
      namespace,
      namespaceLabels,
      serviceAccount: serviceAccount.name,
      pod: { name: claims.pod.name, ...pod },
      admitted: tasks,
      templateHash,
      exempted,
      ...(isKeyFixed !== undefined && { isKeyFixed }),
      tokenExpiresAt: claims.expiresAt,
    };
  };

const startLookups = (
  { namespace, pod, serviceAccount }: ProjectedClaims,
  token: string,
  deps: WorkloadIdentifierDeps,
) => ({
  pod: withUnavailableError('the pod', deps.readPod({ namespace, name: pod.name })),
  review: withUnavailableError('the token', deps.reviewToken(token, deps.audience)),
  accountAnnotations: withUnavailableError(
    'the service account',
    deps.readServiceAccount({ namespace, name: serviceAccount.name }),
  ),
  namespaceLabels: withUnavailableError('the namespace', deps.readNamespaceLabels(namespace)),
});

/** A lookup that fails is never a refusal. It may reject after an earlier check has thrown. */
const withUnavailableError = <T>(what: string, lookup: Promise<T>): Promise<T> => {
  const result = lookup.catch((cause: unknown) => {
    const message = `the API server did not respond about ${what}`;
    throw newUnavailableError('kubernetes_unavailable', message, { cause });
  });
  result.catch(() => undefined);
  return result;
};

/** A hostile pod could cause thousands of lines. */
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
