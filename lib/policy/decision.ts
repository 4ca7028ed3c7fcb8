import type { SourceRestriction } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';

/** One wish to run a task, as policy sees it. */
export type RunPolicyRequest = {
  readonly principal: {
    readonly namespace: string;
    readonly namespaceLabels: Readonly<Record<string, string>>;
    readonly serviceAccount: string;
  };
  readonly task: Task;
  /** Bound by `bindParams`. */
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
  readonly user?: { readonly issuer: string; readonly subject: string };
  readonly sourceRestriction: SourceRestriction['mode'];
  readonly approvals: readonly string[];
  /** Wall-clock milliseconds since the epoch. */
  readonly atMs: number;
};

/** What is known at admission: time, user, params and approvals are not. */
export type AdmissionPolicyRequest = Pick<
  RunPolicyRequest,
  'principal' | 'task' | 'sourceRestriction'
>;

export type PolicyDecision = {
  /** `undecided` at admission only: it hangs on what is not yet known. */
  readonly outcome: 'allow' | 'deny' | 'undecided';
  /** Ids of the policies that decided: `<TaskPolicy>/<id or index>`. Empty: no policy permits it, or none could decide. */
  readonly policies: readonly string[];
  /** For people, a line each; names policies, actions and resources, never values of params. */
  readonly reasons: readonly string[];
  /** SHA-256, hex, of the whole set of policies that decided. */
  readonly version: string;
};
