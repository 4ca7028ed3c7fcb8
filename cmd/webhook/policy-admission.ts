import { allowed, denied, errored } from '../../lib/admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { API_GROUP, API_VERSION } from '../../lib/contract/authority.ts';
import { judgePolicy } from '../../lib/policy/findings.ts';
import { policyTextOf } from '../../lib/policy/policy-text.ts';

const KIND = 'TaskPolicy';

/**
 * Judges the text of a TaskPolicy when it is applied: every fault with its line and column. What
 * stands already, and is only labelled or let go of, is not judged again.
 */
export const admitPolicy = (request: AdmissionRequest): AdmissionOutcome => {
  const { kind, operation } = request;
  if (kind.group !== API_GROUP || kind.version !== API_VERSION || kind.kind !== KIND) {
    const got = `${kind.group}/${kind.version} ${kind.kind}`;
    return errored(400, `expected a ${KIND} of ${API_GROUP}/${API_VERSION}, got ${got}`);
  }
  const cedar = cedarOf(request.object);
  if (operation === 'DELETE' || (operation === 'UPDATE' && cedar === cedarOf(request.oldObject))) {
    return allowed();
  }
  const { faults, warnings } = judgePolicy({ name: request.name, cedar });
  return faults.length > 0
    ? denied(faults, { warnings, auditAnnotations: { refused: 'policy' } })
    : allowed({ warnings });
};

const cedarOf = (object: unknown): string => {
  const { spec } = (object ?? {}) as { readonly spec?: unknown };
  return policyTextOf({ metadata: { name: '' }, spec }).cedar;
};
