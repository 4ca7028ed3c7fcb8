import type { AdmissionOutcome } from '../../lib/admission/review.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import { parseRefusal } from '../../e2e/attacks/admission-refusals.ts';

export const operationsIn = ({ patch }: AdmissionOutcome): readonly JsonPatchOp[] =>
  patch === undefined
    ? []
    : (JSON.parse(Buffer.from(patch, 'base64').toString()) as readonly JsonPatchOp[]);

/** `<rule> <path>` of each breach, in the order of the message; everything else of it is left out. */
const breachesIn = (message: string): readonly string[] =>
  parseRefusal({
    message: `admission webhook "validate.valetkey.dev" denied the request: ${message}`,
  }).breaches.map(({ rule, where }) => `${rule} ${where}`);

/** Audit annotations hold machine text but for the one of break-glass. */
const notesIn = ({ auditAnnotations = {} }: AdmissionOutcome): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(auditAnnotations).map(([name, value]) => [
      name,
      name === 'break-glass' ? 'present' : value,
    ]),
  );

/** The structure of an answer: the decision, its places and its complete patch; no human text. */
export const captureAnswer = (outcome: AdmissionOutcome): object => ({
  allowed: outcome.allowed,
  ...(outcome.status && {
    code: outcome.status.code,
    reason: outcome.status.reason,
    breaches: breachesIn(outcome.status.message),
  }),
  ...(outcome.warnings && { warnings: outcome.warnings.length }),
  ...(outcome.auditAnnotations && { notes: notesIn(outcome) }),
  ...(outcome.patch !== undefined && { patch: operationsIn(outcome) }),
});
