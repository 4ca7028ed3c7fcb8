import { denied } from '../admission/outcome.ts';
import type { AdmissionOutcome } from '../admission/review.ts';
import type { Fault } from '../reading/fault.ts';
import { ruleOf } from './rules/rules.ts';

/** Every breach, then what to do instead, once for each rule. */
export const refused = (faults: readonly Fault[]): AdmissionOutcome => {
  const rules = [...new Set(faults.map(({ rule }) => rule ?? 'declaration'))];
  const advice = rules.flatMap((id) => {
    const rule = ruleOf(id);
    return rule === undefined ? [] : [`rule ${id}: ${rule.message}`];
  });
  return denied(faults, { auditAnnotations: { refused: rules.join(',') } }, advice);
};
