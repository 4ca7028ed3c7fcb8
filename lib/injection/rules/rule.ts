import type { Platform } from '../../contract/platform.ts';
import type { Pod } from '../../contract/pod.ts';
import type { Task } from '../../contract/task.ts';
import type { FieldError } from '../../schema/field-error.ts';
import type { AcceptedTemplates } from '../injection-template.ts';

/** When a rule is held against a pod; `LIVE`: by the authority, whenever a run is to start. */
export type Phase = 'CREATE' | 'UPDATE' | 'LIVE';

export type RuleContext = {
  readonly platform: Platform;
  readonly templates: AcceptedTemplates;
  readonly phase: Phase;
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

/** Every breach of one rule. `rule` is set by {@link evaluateRules}. */
export type RuleCheck = (pod: Pod, context: RuleContext) => readonly FieldError[];

/** One rule of docs/admission.md. */
type RuleDescription = {
  readonly id: string;
  /** What must be, in one sentence. */
  readonly requirement: string;
  /** The attack that it stops. */
  readonly rationale: string;
  /** What its author does instead; closes a refusal. */
  readonly remedy: string;
  /** JSON pointers into the object; `*` is any element. */
  readonly paths: readonly string[];
  /** What is lost where the platform excepts a namespace; absent: there is no exception. */
  readonly exemptionRisk?: string;
};

/** A rule that is held by code: the webhook's, on pods as the API server has them, and the authority's. */
export type CheckedRule = RuleDescription & {
  readonly by: 'webhook';
  readonly phases: readonly Phase[];
  /** Held on UPDATE against the ephemeral containers that are added, and nothing else. */
  readonly appliesToEphemeral?: boolean;
  /** What no exception and no mode excuses. */
  readonly isNonExemptible?: (fault: FieldError) => boolean;
  readonly check: RuleCheck;
};

/** A rule for what a webhook must not gate, or about rules themselves. */
type UncheckedRule = RuleDescription & { readonly by: 'ValidatingAdmissionPolicy' | 'every rule' };

export type Rule = CheckedRule | UncheckedRule;
