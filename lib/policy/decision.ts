import type { Bind } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';

/** One wish to run a task, as policy sees it. */
export type RunQuestion = {
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
  readonly bind: Bind['mode'];
  readonly approvals: readonly string[];
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
};

/** What is known at admission: time, user, params and approvals are not. */
export type AdmissionQuestion = Pick<RunQuestion, 'principal' | 'task' | 'bind'>;

export type Decision = {
  /** `undecided` at admission only: it hangs on what is not yet known. */
  readonly outcome: 'allow' | 'deny' | 'undecided';
  /** Ids of the policies that decided: `<TaskPolicy>/<id or index>`. Empty: no policy permits it, or none could decide. */
  readonly policies: readonly string[];
  /** For people, a line each; names policies, actions and resources, never values of params. */
  readonly reasons: readonly string[];
  /** SHA-256, hex, of the whole set of policies that decided. */
  readonly version: string;
};
