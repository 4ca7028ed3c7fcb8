import type { Pod } from '../../contract/pod.ts';
import type { FieldError } from '../../schema/field-error.ts';
import { listAddedEphemeralContainers } from './ephemeral-containers.ts';
import type { CheckedRule, RuleContext } from './rule.ts';
import { RULES } from './rules.ts';

const CHECKED_RULES: readonly CheckedRule[] = RULES.flatMap((rule) =>
  rule.by === 'webhook' ? [rule] : [],
);

/**
 * Evaluates a pod by every rule of the phase, or by those that `isSelected` selects.
 *
 * @returns every violation at once, each with the id of its rule
 */
export const evaluateRules = (
  pod: Pod,
  context: RuleContext,
  isSelected: (id: string) => boolean = () => true,
): readonly FieldError[] =>
  CHECKED_RULES.filter(({ id }) => isSelected(id)).flatMap((rule) =>
    removeDuplicates(evaluateRule(rule, pod, context)).map((fault) => ({
      ...fault,
      rule: rule.id,
    })),
  );

const evaluateRule = (rule: CheckedRule, pod: Pod, context: RuleContext): readonly FieldError[] => {
  if (rule.phases.includes(context.phase)) return rule.check(pod, context);
  if (context.phase !== 'UPDATE') return [];
  return [
    ...(rule.appliesToEphemeral === true ? checkAddedContainers(rule, pod, context) : []),
    ...(rule.checkUpdate?.(pod, context) ?? []),
  ];
};

const checkAddedContainers = (
  rule: CheckedRule,
  pod: Pod,
  context: RuleContext,
): readonly FieldError[] => {
  const added = listAddedEphemeralContainers(pod, context.oldPod).map(({ path }) => `${path}/`);
  if (added.length === 0) return [];
  return rule
    .check(pod, context)
    .filter(({ path }) => added.some((prefix) => path.startsWith(prefix)));
};

/** A field of the pod applies to every container and would be reported for each. */
const removeDuplicates = (faults: readonly FieldError[]): readonly FieldError[] => {
  const seen = new Set<string>();
  return faults.filter(({ source = '', path, expected }) => {
    const key = `${source}\n${path}\n${expected}`;
    return !seen.has(key) && seen.add(key);
  });
};
