import {
  isAuthorizedPartial,
  policySetTextToParts,
  policyToJson,
  preparsePolicySet,
  statefulIsAuthorized,
  validate,
  type Context,
  type DetailedError,
  type Entities,
  type EntityUid,
  type Policy,
  type PolicyJson,
  type ResidualResponse,
} from '@cedar-policy/cedar-wasm/nodejs';
import { CEDAR_SCHEMA } from './cedar-schema.ts';

/** A request to Cedar. */
export type CedarRequest = {
  /** Absent: `Action::"run"`. */
  readonly action?: 'call';
  readonly principal: EntityUid;
  readonly resource: EntityUid;
  readonly context: Context;
  readonly entities: Entities;
};

/** Policies by ID. */
export type CedarPolicies = {
  /** Sets of two names do not replace each other in the memory of Cedar. */
  readonly name: 'all' | 'exceptions' | 'calls';
  /** Unique to this set of policies among those of its name. */
  readonly key: string;
  readonly texts: Readonly<Record<string, string>>;
};

const toAction = (id: 'run' | 'call' = 'run'): EntityUid => ({ type: 'Action', id });

/** Cedar keeps parsed policies by name and never frees them, so they are replaced under few names. */
const parsedKeys = new Map<CedarPolicies['name'], string>();

/**
 * Evaluates a request.
 *
 * @returns the decision, the IDs of the policies that decided, and of those whose evaluation failed
 * @throws when Cedar itself fails: nothing was decided
 */
export const evaluateCedar = (
  policies: CedarPolicies,
  request: CedarRequest,
): { decision: 'allow' | 'deny'; reason: readonly string[]; failed: readonly string[] } => {
  parsePoliciesOnce(policies);
  const answer = statefulIsAuthorized({
    ...request,
    action: toAction(request.action),
    preparsedPolicySetId: policies.name,
    validateRequest: false,
  });
  if (answer.type === 'failure') throw createCedarError('a request', answer.errors);
  const { decision, diagnostics } = answer.response;
  const failed = diagnostics.errors.map(({ policyId }) => policyId);
  return { decision, reason: [...diagnostics.reason].sort(), failed: failed.sort() };
};

const parsePoliciesOnce = ({ name, key, texts }: CedarPolicies): void => {
  if (parsedKeys.get(name) === key) return;
  parsedKeys.delete(name);
  const answer = preparsePolicySet(name, { staticPolicies: { ...texts } });
  if (answer.type === 'failure') throw createCedarError('policies', answer.errors);
  parsedKeys.set(name, key);
};

/** Evaluates a request while parts of the context are unknown.
 *
 * @throws when Cedar itself fails: nothing was decided
 */
export const evaluateCedarPartially = (
  policies: Readonly<Record<string, Policy>>,
  request: CedarRequest,
): ResidualResponse => {
  const answer = isAuthorizedPartial({
    ...request,
    action: toAction(request.action),
    policies: { staticPolicies: { ...policies } },
  });
  if (answer.type === 'failure') throw createCedarError('a request', answer.errors);
  return answer.response;
};

/** Marks a value of the context as unknown. */
export const buildUnknownValue = (name: string) =>
  ({ __extn: { fn: 'unknown', arg: name } }) as const;

const createCedarError = (what: string, errors: readonly DetailedError[]): Error =>
  new Error(`Cedar rejected ${what}: ${errors.map(({ message }) => message).join('; ')}`);

type SplitResult =
  | {
      readonly ok: true;
      readonly policies: readonly string[];
      readonly templates: readonly string[];
    }
  | { readonly ok: false; readonly errors: readonly DetailedError[] };

/** Splits a text into its policies, unchanged and in the order of the text. */
export const splitPolicies = (text: string): SplitResult => {
  const answer = policySetTextToParts(text);
  if (answer.type === 'failure') return { ok: false, errors: answer.errors };
  // Cedar names them policy0, policy1 … and sorts these names as text: policy10 before policy2.
  const order = answer.policies.map((_, index) => index).sort(compareAsText);
  const policies = answer.policies.map((_, index) => answer.policies[order.indexOf(index)] ?? '');
  return { ok: true, policies, templates: answer.policy_templates };
};

const compareAsText = (one: number, other: number): number => (`${one}` < `${other}` ? -1 : 1);

/** @throws Error when the text is not one policy */
export const parsePolicySyntax = (policy: string): PolicyJson => {
  const answer = policyToJson(policy);
  if (answer.type === 'failure') throw createCedarError('a policy', answer.errors);
  return answer.json;
};

/** Validates policies against {@link CEDAR_SCHEMA}. */
export const validatePolicies = (policies: Readonly<Record<string, string>>) => {
  const answer = validate({
    schema: CEDAR_SCHEMA,
    policies: { staticPolicies: { ...policies } },
    validationSettings: { mode: 'strict' },
  });
  if (answer.type === 'failure') throw createCedarError('the schema', answer.errors);
  return { errors: answer.validationErrors, warnings: answer.validationWarnings };
};
