import type { ExemptedRules } from '../contract/exempted-rules.ts';
import type { Platform } from '../contract/platform.ts';
import type { Pod } from '../contract/pod.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import { fail, succeed, type Result } from '../schema/field-error.ts';
import { readAdmittedTasks } from '../task/admitted-tasks.ts';
import { findFixedKeyObstacle } from './fixed-key.ts';
import { findTasksEnvValue, type TasksEnvValue } from './consumers.ts';
import { parsePod } from './pod-schema.ts';
import type { AcceptedTemplates } from './injection-template.ts';
import type { RuleContext, ServiceAccount } from './rules/rule.ts';
import { evaluateRules } from './rules/rule-evaluation.ts';
import { findNamedTemplate } from './rules/sidecar-equality.ts';
import { applyExemptions, listAllowedViolations, listExemptedRules } from './exemptions.ts';

/** A running pod that passes all rules except exempted ones, with its admitted tasks. */
export type LivePod = {
  /** From the sidecar's environment. The form is valid; the content is not validated yet. */
  readonly admitted: AdmittedTasks;
  /** SHA-256 of the template that the pod was injected from. */
  readonly templateHash: string;
  readonly pod: Pod;
  /** Violated rules that are exempted. */
  readonly exempted: ExemptedRules;
  /** What the platform admits in every namespace, a line for each. */
  readonly allowedViolations: readonly string[];
  /** Whether the gateway may take the pod's UID as a key. */
  readonly isKeyFixed: boolean;
};

export type LivePodOptions = {
  readonly platform: Platform;
  readonly templates: AcceptedTemplates;
  /** Of the pod's namespace. Absent: not known, so the migration mode does not apply. */
  readonly namespaceLabels?: Readonly<Record<string, string>>;
  /** Absent: not known. */
  readonly serviceAccount?: ServiceAccount;
};

/**
 * Evaluates rules 2–7 and 9 on the current state of a pod, with the same code, levels and exemptions
 * as admission.
 *
 * @param rawPod JSON from the API server; the model of a client library would drop unknown fields
 *   that a rule may read
 * @param options.templates every published template, including those that only old pods name
 * @returns the admitted tasks, or every violation with the id of its rule
 */
export const evaluateLivePod = (
  rawPod: unknown,
  { platform, templates, namespaceLabels = {}, serviceAccount }: LivePodOptions,
): Result<LivePod> => {
  const read = parsePod(rawPod);
  if (!read.ok) return read;
  const pod = read.value;
  const value = findTasksEnvValue(pod);
  const admitted = value && parseAdmittedTasks(value);
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
  // Without tasks no sidecar equals its template: a second fault would hide the first.
  const violations = evaluateRules(pod, context, (id) => admitted?.ok !== false || id !== '2');
  const { refusals, exempted } = applyExemptions(violations, {
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
    allowedViolations: listAllowedViolations(exempted),
    isKeyFixed:
      findFixedKeyObstacle(pod, { platform, namespace, consumers: admitted.value.consumers }) ===
      undefined,
  });
};

/** A sidecar without valid tasks violates rule 2. */
const parseAdmittedTasks = ({ text, path: source }: TasksEnvValue): Result<AdmittedTasks> => {
  const admitted = readAdmittedTasks(text);
  if (admitted.ok) return admitted;
  return fail(admitted.faults.map((fault) => ({ ...fault, source, rule: '2' })));
};
