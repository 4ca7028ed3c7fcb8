import type { ExcusedRules } from '../contract/excused-rules.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import { describeFault, type Fault, type Result } from '../reading/fault.ts';
import { judgeLiveness } from './live-pod.ts';
import type { ProjectedClaims } from './projected-token.ts';
import { refused, unavailable, type IdentityCode } from './refusals.ts';
import { judgeReview, type ReviewToken } from './token-review.ts';
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

type LivePod = {
  readonly admitted: AdmittedTasks;
  readonly profileHash: string;
  readonly excused: ExcusedRules;
};

/** What else counts when a live pod is judged. */
type Around = {
  /** Absent: there is none of its name, so nothing is bound to it. */
  readonly serviceAccount?: {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  /** Those of the pod's namespace, which may excuse a breach. */
  readonly readLabels: () => ReturnType<ReadNamespaceLabels>;
};

/** Rules 2–7 and 9 on a live pod, by the code that admission uses, and what its sidecar was given. */
export type JudgePod = (pod: unknown, around: Around) => Result<LivePod> | Promise<Result<LivePod>>;

/** Whether the platform would admit these tasks today, written in this very form. */
export type RejudgeTasks = (admitted: AdmittedTasks) => Promise<Result<AdmittedTasks>>;

export type IdentificationTerms = {
  /** `sidecar.audience` of the platform. */
  readonly audience: string;
  readonly readPod: ReadPod;
  readonly reviewToken: ReviewToken;
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly readServiceAccount: ReadAccountAnnotations;
  readonly judgePod: JudgePod;
  readonly rejudgeTasks: RejudgeTasks;
};

/** What else is known of a request. */
export type Circumstances = {
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
export const openIdentification =
  (terms: IdentificationTerms) =>
  async (
    claims: ProjectedClaims,
    token: string,
    { peer }: Circumstances = {},
  ): Promise<Workload> => {
    const { namespace, serviceAccount } = claims;
    const asking = ask(claims, token, terms);
    const raw = await asking.pod;
    const pod = judgeLiveness(raw, claims, peer);
    judgeReview(await asking.review, claims, terms.audience);
    const annotations = await asking.accountAnnotations;
    const judged = await terms.judgePod(raw, {
      ...(annotations && { serviceAccount: { name: serviceAccount.name, annotations } }),
      readLabels: () => asking.namespaceLabels,
    });
    const { admitted, profileHash, excused } = accept('rules_broken', judged);
    const tasks = accept('tasks_refused', await terms.rejudgeTasks(admitted));
    const namespaceLabels = await asking.namespaceLabels;
    if (namespaceLabels === undefined) {
      throw refused('namespace_not_found', `expected namespace ${namespace}, got none`);
    }
    return {
      ...{ namespace, namespaceLabels, serviceAccount: serviceAccount.name },
      pod: { name: claims.pod.name, ...pod },
      ...{ admitted: tasks, profile: profileHash, excused, tokenExpiresAt: claims.expiresAt },
    };
  };

const ask = (
  { namespace, pod, serviceAccount }: ProjectedClaims,
  token: string,
  terms: IdentificationTerms,
) => ({
  pod: answered('the pod', terms.readPod({ namespace, name: pod.name })),
  review: answered('the token', terms.reviewToken(token, terms.audience)),
  accountAnnotations: answered(
    'the service account',
    terms.readServiceAccount({ namespace, name: serviceAccount.name }),
  ),
  namespaceLabels: answered('the namespace', terms.readNamespaceLabels(namespace)),
});

/** No answer is never a no. A step that refuses first leaves later ones unheard, and that is no crash. */
const answered = <T>(what: string, answer: Promise<T>): Promise<T> => {
  const result = answer.catch((cause: unknown) => {
    const message = `the API server gave no answer about ${what}`;
    throw unavailable('kubernetes_unavailable', message, { cause });
  });
  result.catch(() => undefined);
  return result;
};

/** More lines than this help nobody, and a hostile pod could have thousands. */
const MAX_FAULTS = 10;

const accept = <T>(code: IdentityCode, result: Result<T>): T => {
  if (result.ok) return result.value;
  throw refused(code, describeFaults(result.faults));
};

const describeFaults = (faults: readonly Fault[]): string => {
  const rest = faults.length > MAX_FAULTS ? [`and ${faults.length - MAX_FAULTS} more`] : [];
  return [...faults.slice(0, MAX_FAULTS).map(describeFault), ...rest].join('\n');
};
