import type { Platform } from '../../contract/platform.ts';
import type { Pod } from '../../contract/pod.ts';
import type { Task } from '../../contract/task.ts';
import type { FieldError } from '../../schema/field-error.ts';
import type { AcceptedTemplates } from '../injection-template.ts';

/** When a rule is evaluated. `LIVE`: by the authority, before each run starts. */
export type Phase = 'CREATE' | 'UPDATE' | 'LIVE';

export type RuleContext = {
  readonly platform: Platform;
  readonly templates: AcceptedTemplates;
  readonly phase: Phase;
  /**
   * On CREATE from the pod's annotations, on a live pod from the environment of its sidecar. Empty
   * on UPDATE, where no rule uses them.
   */
  readonly tasks: readonly Task[];
  /** On UPDATE. */
  readonly oldPod?: Pod;
  /** Absent: not known, so level `restricted` applies. */
  readonly namespace?: string;
  /** Absent: not known. */
  readonly serviceAccount?: ServiceAccount;
  /** Groups of the user who sends the request. */
  readonly groups?: readonly string[];
  /** Name of the user who sends the request. */
  readonly user?: string;
};

export type ServiceAccount = {
  readonly name: string;
  readonly annotations: Readonly<Record<string, string>>;
};

/** Returns every violation of one rule. `evaluateRules` adds the rule's id. */
export type RuleCheck = (pod: Pod, context: RuleContext) => readonly FieldError[];

/** One rule of docs/admission.md. */
type RuleDescription = {
  readonly id: string;
  /** What the pod must comply with. */
  readonly requirement: string;
  /** The attack that the rule prevents. */
  readonly rationale: string;
  /** What the author should do; the last lines of a refusal. */
  readonly remedy: string;
  /** JSON pointers to the fields that the rule reads; `*` is any element. */
  readonly paths: readonly string[];
  /** The risk of exempting a namespace. Absent: the rule has no exemption. */
  readonly exemptionRisk?: string;
};

/** A rule that the webhook and the authority evaluate with the same code. */
export type CheckedRule = RuleDescription & {
  readonly by: 'webhook';
  readonly phases: readonly Phase[];
  /** Evaluated on UPDATE too, for added ephemeral containers only. */
  readonly appliesToEphemeral?: boolean;
  /** Violations that no exemption and no mode admits. */
  readonly isNonExemptible?: (fault: FieldError) => boolean;
  readonly check: RuleCheck;
  /** Evaluated on UPDATE too, for what an update adds to the pod. */
  readonly checkUpdate?: RuleCheck;
};

/** A rule for requests that a webhook must not block, or about the rules themselves. */
type UncheckedRule = RuleDescription & { readonly by: 'ValidatingAdmissionPolicy' | 'every rule' };

export type Rule = CheckedRule | UncheckedRule;
