import type { ExemptedRules } from '../contract/exempted-rules.ts';
import type { Platform } from '../contract/platform.ts';
import type { Pod } from '../contract/pod.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import { fail, succeed, type Result } from '../schema/field-error.ts';
import { readAdmittedTasks } from '../task/admitted-tasks.ts';
import { findTasksEnvValue, type TasksEnvValue } from './consumers.ts';
import { parsePod } from './pod-schema.ts';
import type { AcceptedTemplates } from './injection-template.ts';
import type { RuleContext, ServiceAccount } from './rules/rule.ts';
import { evaluateRules } from './rules/rule-evaluation.ts';
import { findNamedTemplate } from './rules/sidecar-equality.ts';
import { listExemptedRules, applyExemptions } from './exemptions.ts';

/** A live pod that keeps every rule but for exceptions, and what admission fixed for it. */
export type LivePod = {
  /** From its sidecar's environment: the form is sound; what it says is still to be judged. */
  readonly admitted: AdmittedTasks;
  /** SHA-256 of the profile that it was injected from. */
  readonly templateHash: string;
  readonly pod: Pod;
  /** What it breaks by leave. */
  readonly exempted: ExemptedRules;
};

export type LivePodOptions = {
  readonly platform: Platform;
  readonly templates: AcceptedTemplates;
  /** Of the pod's namespace; not known: no migration excuses anything. */
  readonly namespaceLabels?: Readonly<Record<string, string>>;
  /** The pod's own, where it is known. */
  readonly serviceAccount?: ServiceAccount;
};

/**
 * Holds rules 2–7 and 9 against a pod as the API server knows it now, by the same code as admission,
 * with the same levels and exceptions.
 *
 * @param rawPod the API server's own JSON: a library's model would have dropped fields that it does
 *   not know, and a rule might look at one
 * @param settings.profiles every published profile, those that only old pods name included
 * @returns what the pod may ask for, or every breach, each with its rule's id
 */
export const evaluateLivePod = (
  rawPod: unknown,
  { platform, templates, namespaceLabels = {}, serviceAccount }: LivePodOptions,
): Result<LivePod> => {
  const read = parsePod(rawPod);
  if (!read.ok) return read;
  const pod = read.value;
  const given = findTasksEnvValue(pod);
  const admitted = given && parseAdmittedTasks(given);
  const tasks = admitted?.ok === true ? admitted.value.tasks : [];
  const namespace = pod.metadata?.namespace;
  const context: RuleContext = {
    platform,
    templates,
    phase: 'LIVE',
    tasks,
    ...(namespace !== undefined && { namespace }),
    ...(serviceAccount && { serviceAccount }),
  };
  // A sidecar without its tasks equals nothing: that would only hide what is wrong.
  const broken = evaluateRules(pod, context, (id) => admitted?.ok !== false || id !== '2');
  const { refusals, exempted } = applyExemptions(broken, {
    platform,
    namespace,
    labels: namespaceLabels,
  });
  if (admitted?.ok === false) return fail([...admitted.faults, ...refusals]);
  if (admitted === undefined || refusals.length > 0) return fail(refusals);
  const { hash: templateHash } = findNamedTemplate(pod, templates);
  return succeed({
    admitted: admitted.value,
    templateHash,
    pod,
    exempted: listExemptedRules(exempted),
  });
};

/** The tasks that a sidecar carries; without any it breaks rule 2. */
const parseAdmittedTasks = ({ text, path: source }: TasksEnvValue): Result<AdmittedTasks> => {
  const admitted = readAdmittedTasks(text);
  if (admitted.ok) return admitted;
  return fail(admitted.faults.map((fault) => ({ ...fault, source, rule: '2' })));
};
