import { AUTHORITY_UID } from '../../../lib/contract/authority-api.ts';
import { SIDECAR_UID, WEBHOOK_UID } from '../../../lib/contract/names.ts';
import type { AccessSubject } from '../../../lib/edge/kubernetes/self-subject-review.ts';
import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import { failIfAny, skip, type CheckResult } from './check-row.ts';

/** Annotation that OpenShift writes on each pod that it admits. */
const CONSTRAINTS_ANNOTATION = 'openshift.io/scc';

/** A program, or the pods with tasks of a namespace, with what they need of OpenShift's constraints. */
export type ConstrainedPods = {
  /** `webhook`, `authority`, `pods with tasks in research`. */
  readonly name: string;
  readonly subject: AccessSubject;
  readonly namespace: string;
  readonly needs: ConstraintNeeds;
  /** A pod as the API server returned it, if there is one. */
  readonly pod?: Mapping;
};

export type ConstraintNeeds = {
  readonly uid: number;
  /** Whether the pod sets `fsGroup`, to the number of its user. */
  readonly hasFsGroup: boolean;
  readonly volumes: readonly string[];
};

/** What the chart's and the webhook's pods have. */
export const NEEDS = {
  webhook: { uid: WEBHOOK_UID, hasFsGroup: true, volumes: ['configMap', 'projected'] },
  authority: {
    uid: AUTHORITY_UID,
    hasFsGroup: true,
    volumes: ['configMap', 'persistentVolumeClaim', 'projected'],
  },
  agents: { uid: SIDECAR_UID, hasFsGroup: false, volumes: ['emptyDir', 'projected'] },
} as const satisfies Readonly<Record<string, ConstraintNeeds>>;

/** Builds what the API server knows a service account as. */
export const buildAccountSubject = (namespace: string, account: string): AccessSubject => ({
  user: `system:serviceaccount:${namespace}:${account}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
});

export type ConstraintFacts = {
  /** Undefined: the cluster is not OpenShift. */
  readonly constraints: readonly Mapping[] | undefined;
  readonly pods: readonly (ConstrainedPods & {
    /** Names of constraints whose use RBAC permits. */
    readonly usable: readonly string[];
  })[];
};

/** Checks that the programs and pods with tasks may use constraints that permit them. */
export const checkConstraints = ({ constraints, pods }: ConstraintFacts): CheckResult => {
  if (constraints === undefined) return skip('not OpenShift: no API security.openshift.io');
  const found: string[] = [];
  const problems = pods.flatMap((each) => {
    const refusals = new Map(constraints.map((one) => [readName(one), explainRefusal(one, each)]));
    const allowed = [...refusals].flatMap(([name, why]) => (why === undefined ? [name] : []));
    const applied = readAppliedName(each.pod);
    if (applied !== undefined || allowed.length > 0) {
      found.push(`${each.name}: ${applied ?? allowed.join(' or ')}`);
      return [];
    }
    const reasons = [...refusals].map(([name, why]) => `${name} ${why ?? ''}`).join('; ');
    return [
      `${each.name} (${each.subject.user}): expected constraints that permit user ${each.needs.uid}, got none: ${reasons || 'there are none'}`,
    ];
  });
  return failIfAny(problems, { found: found.join(', '), hint: HINT });
};

const HINT =
  'set openshift.scc.enabled and openshift.scc.namespaces, or bind constraints such as nonroot-v2';

const readName = ({ metadata }: Mapping): string => String(toMapping(metadata)['name']);

const readAppliedName = (pod: Mapping | undefined): string | undefined => {
  const { annotations } = toMapping(pod?.['metadata']);
  const name = toMapping(annotations)[CONSTRAINTS_ANNOTATION];
  return typeof name === 'string' ? name : undefined;
};

/** @returns why constraints do not permit pods; undefined: they do */
const explainRefusal = (
  constraints: Mapping,
  { subject, needs, usable }: ConstraintFacts['pods'][number],
): string | undefined => {
  const isUsable =
    usable.includes(readName(constraints)) ||
    toTexts(constraints['users']).includes(subject.user) ||
    toTexts(constraints['groups']).some((group) => subject.groups.includes(group));
  if (!isUsable) return 'may not be used';
  const user = toMapping(constraints['runAsUser']);
  if (!permitsUser(user, needs.uid)) return `has runAsUser ${String(user['type'])}`;
  const group = toMapping(constraints['fsGroup']);
  if (needs.hasFsGroup && !permitsGroup(group, needs.uid))
    return `has fsGroup ${String(group['type'])}`;
  const volumes = toTexts(constraints['volumes']);
  const missing = needs.volumes.filter((each) => !volumes.includes(each));
  return missing.length === 0 || volumes.includes('*')
    ? undefined
    : `permits no ${missing.join(', ')}`;
};

const permitsUser = ({ type, uid, uidRangeMin, uidRangeMax }: Mapping, wanted: number): boolean => {
  if (type === 'RunAsAny' || type === 'MustRunAsNonRoot') return true;
  if (type === 'MustRunAs') return uid === wanted;
  // Without a range of its own, it is the namespace's, which begins far above.
  return isWithin(wanted, uidRangeMin, uidRangeMax);
};

const permitsGroup = ({ type, ranges }: Mapping, wanted: number): boolean =>
  type === 'RunAsAny' ||
  (Array.isArray(ranges) ? ranges : [])
    .map(toMapping)
    .some(({ min, max }) => isWithin(wanted, min, max));

const isWithin = (wanted: number, min: unknown, max: unknown): boolean =>
  typeof min === 'number' && typeof max === 'number' && min <= wanted && wanted <= max;

const toTexts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.map(String) : [];

/** Names of the constraints whose use is asked for. */
export const listConstraintNames = (constraints: readonly Mapping[]): readonly string[] =>
  constraints.map(readName);

/** A right to use constraints, as OpenShift asks for it. */
export const buildUseQuestion = (name: string, namespace: string) => ({
  verb: 'use',
  group: 'security.openshift.io',
  resource: 'securitycontextconstraints',
  name,
  namespace,
});
