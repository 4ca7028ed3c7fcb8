import { allowed, denied, errored } from '../../lib/admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { API_GROUP, API_VERSION } from '../../lib/contract/authority-api.ts';
import { checkPolicy } from '../../lib/policy/policy-findings.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';

const KIND = 'TaskPolicy';

/**
 * Validates the text of a TaskPolicy when it is applied, and reports every fault with line and column.
 * An update that does not change the text is admitted.
 */
export const admitPolicy = (request: AdmissionRequest): AdmissionOutcome => {
  const { kind, operation } = request;
  if (kind.group !== API_GROUP || kind.version !== API_VERSION || kind.kind !== KIND) {
    const got = `${kind.group}/${kind.version} ${kind.kind}`;
    return errored(400, `expected a ${KIND} of ${API_GROUP}/${API_VERSION}, got ${got}`);
  }
  const cedar = readCedarText(request.object);
  if (
    operation === 'DELETE' ||
    (operation === 'UPDATE' && cedar === readCedarText(request.oldObject))
  ) {
    return allowed();
  }
  const { faults, warnings } = checkPolicy({ name: request.name, cedar });
  return faults.length > 0
    ? denied(faults, { warnings, auditAnnotations: { refused: 'policy' } })
    : allowed({ warnings });
};

const readCedarText = (object: unknown): string => {
  const { spec } = (object ?? {}) as { readonly spec?: unknown };
  return toPolicyText({ metadata: { name: '' }, spec }).cedar;
};
