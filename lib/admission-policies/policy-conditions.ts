import {
  buildAuthorityValidateConditions,
  validateConditions,
  type MatchCondition,
} from '../injection/match-conditions.ts';
import { toCelLiteral, type Cel } from './cel.ts';
import type { AdmissionPolicySettings } from './validating-admission-policy.ts';

/** The same pods that the validating webhook is asked about. */
export const selectMatchConditions = ({
  trust,
  audience,
}: AdmissionPolicySettings): readonly MatchCondition[] =>
  trust === 'authority' ? buildAuthorityValidateConditions(audience) : validateConditions;

/** What the platform lists an exception for is no breach here: the webhook warns of it. */
export const buildUnlessExempted = (
  rule: string,
  lines: Cel,
  { exemptions }: Pick<AdmissionPolicySettings, 'exemptions'>,
): Cel => `(request.namespace + ${toCelLiteral(`/${rule}`)} in ${exemptions} ? [] : ${lines})`;
