import type { Platform } from '../../contract/platform.ts';
import type { Pod } from '../../contract/pod.ts';
import type { Task } from '../../contract/task.ts';
import type { Fault } from '../../reading/fault.ts';
import type { AcceptedProfiles } from '../profile.ts';

/** When a rule is held against a pod; `LIVE`: by the authority, whenever a run is to start. */
export type Occasion = 'CREATE' | 'UPDATE' | 'LIVE';

export type JudgeContext = {
  readonly platform: Platform;
  readonly profiles: AcceptedProfiles;
  readonly occasion: Occasion;
  /**
   * Read afresh: on CREATE from the pod's own annotations, on a live pod from its sidecar's
   * environment; empty on UPDATE, where nothing looks at them.
   */
  readonly tasks: readonly Task[];
  /** On UPDATE. */
  readonly oldPod?: Pod;
  /** Where it is not known, the pod is held to level `restricted`. */
  readonly namespace?: string;
  /** The pod's own, where it is known. */
  readonly serviceAccount?: ServiceAccount;
  /** Groups of whoever sends the request; unknown: none. */
  readonly groups?: readonly string[];
};

export type ServiceAccount = {
  readonly name: string;
  readonly annotations: Readonly<Record<string, string>>;
};

/** Every breach of one rule. `rule` is set by {@link judgePod}. */
export type Judge = (pod: Pod, context: JudgeContext) => readonly Fault[];

/** One rule of docs/admission.md. */
type Statement = {
  readonly id: string;
  /** What must be, in one sentence. */
  readonly holds: string;
  /** The attack that it stops. */
  readonly why: string;
  /** What its author does instead; closes a refusal. */
  readonly message: string;
  /** JSON pointers into the object; `*` is any element. */
  readonly looksAt: readonly string[];
  /** What is lost where the platform excepts a namespace; absent: there is no exception. */
  readonly exceptionCosts?: string;
};

/** A rule that is held by code: the webhook's, on pods as the API server has them, and the authority's. */
export type JudgedRule = Statement & {
  readonly by: 'webhook';
  readonly on: readonly Occasion[];
  /** Held on UPDATE against the ephemeral containers that are added, and nothing else. */
  readonly isOfJoining?: boolean;
  /** What no exception and no mode excuses. */
  readonly isFirm?: (fault: Fault) => boolean;
  readonly judge: Judge;
};

/** A rule for what a webhook must not gate, or about rules themselves. */
type StatedRule = Statement & { readonly by: 'ValidatingAdmissionPolicy' | 'every rule' };

export type Rule = JudgedRule | StatedRule;
