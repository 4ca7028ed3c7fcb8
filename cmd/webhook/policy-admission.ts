import { allowed, denied, errored } from '../../lib/admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { API_GROUP, API_VERSION } from '../../lib/contract/authority-api.ts';
import { checkWrittenPolicy } from '../../lib/policy/policy-findings.ts';
import type { VendPolicy } from '../../lib/contract/platform.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';

const KIND = 'TaskPolicy';

export type PolicyAdmissionOptions = {
  readonly vend: VendPolicy;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

/**
 * Validates the text of a TaskPolicy when it is applied, and reports every fault with line and column.
 * An update that does not change the text is admitted.
 */
export const admitPolicy = (
  request: AdmissionRequest,
  { vend, now }: PolicyAdmissionOptions,
): AdmissionOutcome => {
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
  const { faults, warnings } = checkWrittenPolicy(
    { name: request.name, cedar },
    { vend, atMs: now() },
  );
  return faults.length > 0
    ? denied(faults, { warnings, auditAnnotations: { refused: 'policy' } })
    : allowed({ warnings });
};

const readCedarText = (object: unknown): string => {
  const { spec } = (object ?? {}) as { readonly spec?: unknown };
  return toPolicyText({ metadata: { name: '' }, spec }).cedar;
};
