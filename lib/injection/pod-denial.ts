import { denied } from '../admission/outcome.ts';
import type { AdmissionOutcome } from '../admission/review.ts';
import type { FieldError } from '../schema/field-error.ts';
import { findRule } from './rules/rules.ts';

/** Every breach, then what to do instead, once for each rule. */
export const denyPod = (faults: readonly FieldError[]): AdmissionOutcome => {
  const rules = [...new Set(faults.map(({ rule }) => rule ?? 'declaration'))];
  const advice = rules.flatMap((id) => {
    const rule = findRule(id);
    return rule === undefined ? [] : [`rule ${id}: ${rule.remedy}`];
  });
  return denied(faults, { auditAnnotations: { refused: rules.join(',') } }, advice);
};
