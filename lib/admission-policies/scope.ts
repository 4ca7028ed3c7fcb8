import {
  authorityValidateConditions,
  validateConditions,
  type MatchCondition,
} from '../injection/match-conditions.ts';
import { literal, type Cel } from './cel.ts';
import type { PolicySettings } from './policy.ts';

/** The same pods that the validating webhook is asked about. */
export const askedFor = ({ trust, audience }: PolicySettings): readonly MatchCondition[] =>
  trust === 'authority' ? authorityValidateConditions(audience) : validateConditions;

/** What the platform lists an exception for is no breach here: the webhook warns of it. */
export const unlessExcepted = (
  rule: string,
  lines: Cel,
  { exceptions }: Pick<PolicySettings, 'exceptions'>,
): Cel => `(request.namespace + ${literal(`/${rule}`)} in ${exceptions} ? [] : ${lines})`;
