import type { CloudSettings, SourceRestriction, VendPolicy } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import type { Upstream } from '../upstreams/upstream.ts';

/** A request to run a task, as policy sees it. */
export type RunPolicyRequest = {
  readonly principal: {
    readonly namespace: string;
    readonly namespaceLabels: Readonly<Record<string, string>>;
    readonly serviceAccount: string;
  };
  readonly task: Task;
  /** Of a task of a provider other than `aws`: it assigns the access levels. */
  readonly upstream?: Upstream;
  /** Checked by `bindParams`. */
  readonly params: Readonly<Record<string, string>>;
  readonly user?: { readonly issuer: string; readonly subject: string };
  /** The run that delegated this one. Depth: how many runs are above it. */
  readonly parent?: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly task: string;
    readonly depth: number;
  };
  readonly sourceRestriction: SourceRestriction['mode'];
  /** Of the platform's cloud: it decides what a session reaches beyond the pairs of the task. */
  readonly dialect: CloudSettings['dialect'];
  /** Of the platform: which permits count for `delivery: vend`. */
  readonly vend: VendPolicy;
  readonly approvals: readonly string[];
  /** Wall-clock milliseconds since the epoch. */
  readonly atMs: number;
};

/** The part of a request that is known at admission. Of its time, only the UTC day decides. */
export type AdmissionPolicyRequest = Pick<
  RunPolicyRequest,
  'principal' | 'task' | 'upstream' | 'sourceRestriction' | 'dialect' | 'vend' | 'atMs'
>;

export type PolicyDecision = {
  /** `undecided`, only at admission: it depends on values that are not known yet. */
  readonly outcome: 'allow' | 'deny' | 'undecided';
  /** IDs of the policies that decided: `<TaskPolicy>/<id or index>`. Empty: no policy permits it, or none could be evaluated. */
  readonly policies: readonly string[];
  /** For people, one line each: policies, actions and resources, but never values of params. */
  readonly reasons: readonly string[];
  /** SHA-256, hex, of the complete set of policies. */
  readonly version: string;
};
