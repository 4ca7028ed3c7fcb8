import type { MatchCondition } from '../injection/match-conditions.ts';
import type { Cel } from './cel.ts';

/** A name for a CEL expression, evaluated once and only where it is used. */
export type Variable = { readonly name: string; readonly expression: Cel };

type ResourceRule = {
  readonly apiGroups: readonly string[];
  readonly apiVersions: readonly string[];
  readonly resources: readonly string[];
  readonly operations: readonly ('CREATE' | 'UPDATE' | 'CONNECT')[];
};

type Validation = {
  readonly expression: Cel;
  readonly messageExpression: Cel;
  /** Where the other is of no use to the API server: too long, say. */
  readonly message: string;
  readonly reason: 'Forbidden';
};

/** Spec of a ValidatingAdmissionPolicy (admissionregistration.k8s.io/v1). */
export type PolicySpec = {
  readonly failurePolicy: 'Fail';
  readonly matchConstraints: { readonly resourceRules: readonly ResourceRule[] };
  readonly matchConditions?: readonly MatchCondition[];
  readonly variables?: readonly Variable[];
  readonly validations: readonly Validation[];
};

/** A policy that the chart installs, with a binding of its name that denies everywhere. */
export type AdmissionPolicy = {
  readonly name: string;
  /** Why it is there, for readers of the chart. */
  readonly description: string;
  /** Absent: under every kind of trust. */
  readonly trust?: 'authority';
  readonly spec: PolicySpec;
};

/**
 * What of the platform's settings the policies name, each as CEL; whoever knows them only later may
 * stand marks there and replace them.
 */
export type AdmissionPolicySettings = {
  readonly trust: 'authority' | 'cluster';
  /** A string: the audience of exchange tokens. */
  readonly audience: Cel;
  /** A list of strings in lower case: what else a pod may project no token for. */
  readonly protectedAudiences: Cel;
  /** Whether pods with tasks may have an API token. */
  readonly allowApiToken: Cel;
  /** A list of strings in lower case: hosts of the authority, of STS and of its proxy. */
  readonly hosts: Cel;
  /** Whether no certificate vouches for STS, so that the resolution of names must. */
  readonly isPlainHttp: Cel;
  /** A list of strings. */
  readonly baselineNamespaces: Cel;
  /** A list of strings `<namespace>/<rule>`. */
  readonly exemptions: Cel;
  /** A string; empty: nobody. */
  readonly breakGlassGroup: Cel;
};

/** For resources of core/v1. */
export const buildMatchConstraints = (
  resources: readonly string[],
  operations: ResourceRule['operations'],
): PolicySpec['matchConstraints'] => ({
  resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], resources, operations }],
});
