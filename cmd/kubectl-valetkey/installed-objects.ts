import { TASK_PROPOSALS } from '../../lib/contract/proposals.ts';
import {
  API_VERSION,
  REVOCATIONS,
  TASK_POLICIES,
  UPSTREAMS,
  API_GROUP,
} from '../../lib/contract/authority-api.ts';
import { APPROVALS, APPROVAL_REQUESTS } from '../../lib/contract/approvals.ts';
import { DOMAIN, INSTALLED } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { ClusterObject } from '../../lib/edge/kubernetes/installation.ts';
import { toMapping } from '../../lib/schema/mapping.ts';
import { checkBundle, type BundleState } from './certificate-bundles.ts';

/** Names of the ValidatingAdmissionPolicies and their bindings; those below need the authority. */
const POLICIES = [
  'bindings',
  'exec',
  'parameters',
  'pod-changes',
  'pods',
  'webhook-configurations',
];
const AUTHORITY_POLICIES = ['approval-requests', 'approvals', 'revocations', 'tokens'];

const AUTHORITY_KINDS = [
  ...[TASK_POLICIES, REVOCATIONS, UPSTREAMS],
  ...[APPROVAL_REQUESTS, APPROVALS, TASK_PROPOSALS],
];

/** Lists the objects for the whole cluster, without which the programs protect nothing. */
export const listInstalledObjects = (trust: Platform['trust']): readonly ClusterObject[] => {
  const isAuthority = trust === 'authority';
  const names = [...POLICIES, ...(isAuthority ? AUTHORITY_POLICIES : [])];
  const { configuration: name } = INSTALLED;
  return [
    { kind: 'MutatingWebhookConfiguration', name },
    { kind: 'ValidatingWebhookConfiguration', name },
    ...names
      .map((each) => `valetkey-${each}`)
      .flatMap((policy) => [
        { kind: 'ValidatingAdmissionPolicy' as const, name: policy },
        { kind: 'ValidatingAdmissionPolicyBinding' as const, name: policy },
      ]),
    // The chart installs the definitions under either trust; only the authority uses them.
    ...(isAuthority ? AUTHORITY_KINDS : []).map((plural) => ({
      kind: 'CustomResourceDefinition' as const,
      name: `${plural}.${API_GROUP}`,
    })),
  ];
};

/** What was found about one object. */
export type ObjectCheck = {
  readonly problems: readonly string[];
  readonly bundles: readonly BundleState[];
};

/** Checks one object as the API server returned it; undefined: it does not exist. */
export const checkInstalledObject = (
  { kind, name }: ClusterObject,
  object: unknown,
  { trust, now }: { readonly trust: Platform['trust']; readonly now: number },
): ObjectCheck => {
  const title = `${kind} ${name}`;
  if (object === undefined) {
    return toCheck([`${title}: expected it to exist, got nothing: ${IMPACT[kind]}`]);
  }
  const spec = toMapping(toMapping(object)['spec']);
  switch (kind) {
    case 'MutatingWebhookConfiguration':
      return checkConfiguration(title, object, { names: ['mutate'], now });
    case 'ValidatingWebhookConfiguration': {
      const names = ['validate', 'workloads', ...(trust === 'authority' ? ['policies'] : [])];
      return checkConfiguration(title, object, { names, now });
    }
    case 'ValidatingAdmissionPolicy':
      return toCheck(checkTypes(title, object));
    case 'ValidatingAdmissionPolicyBinding': {
      const { validationActions, policyName } = spec;
      const denies = Array.isArray(validationActions) && validationActions.includes('Deny');
      const expected = `policyName ${name} and validationActions [Deny]`;
      const got = JSON.stringify({ policyName, validationActions });
      return toCheck(
        denies && policyName === name ? [] : [`${title}: expected ${expected}, got ${got}`],
      );
    }
    case 'CustomResourceDefinition':
      return toCheck(checkDefinition(title, object));
  }
};

const toCheck = (problems: readonly string[]): ObjectCheck => ({ problems, bundles: [] });

const IMPACT: Readonly<Record<ClusterObject['kind'], string>> = {
  MutatingWebhookConfiguration: 'pods that declare tasks get no sidecar',
  ValidatingWebhookConfiguration: 'pods that declare tasks are not checked',
  ValidatingAdmissionPolicy: 'the API server does not enforce its rules',
  ValidatingAdmissionPolicyBinding: 'the API server does not enforce the policy',
  CustomResourceDefinition: 'the authority cannot read these objects',
};

/** These decide about pods; while they fail open, pods with tasks are created without a check. */
const FAIL_CLOSED = new Set(['mutate', 'validate']);

const checkConfiguration = (
  title: string,
  object: unknown,
  { names, now }: { readonly names: readonly string[]; readonly now: number },
): ObjectCheck => {
  const { webhooks } = toMapping(object);
  const found = new Map(
    (Array.isArray(webhooks) ? webhooks : [])
      .map(toMapping)
      .map((webhook) => [webhook['name'], webhook] as const),
  );
  const checks = names.map((name): ObjectCheck => {
    const webhook = found.get(`${name}.${DOMAIN}`);
    const at = `${title}, webhook ${name}.${DOMAIN}`;
    if (webhook === undefined) return toCheck([`${at}: expected it to exist, got nothing`]);
    const { failurePolicy, clientConfig } = webhook;
    const failsOpen = FAIL_CLOSED.has(name) && failurePolicy !== 'Fail';
    const { caBundle } = toMapping(clientConfig);
    const pem = Buffer.from(typeof caBundle === 'string' ? caBundle : '', 'base64').toString();
    const { problems, bundles } = checkBundle(`${at}, caBundle`, pem, now);
    const got = JSON.stringify(failurePolicy);
    const opened = failsOpen ? [`${at}: expected failurePolicy Fail, got ${got}`] : [];
    return { problems: [...opened, ...problems], bundles };
  });
  return {
    problems: checks.flatMap(({ problems }) => problems),
    bundles: checks.flatMap(({ bundles }) => bundles),
  };
};

/** The API server checks the expressions of a policy against the types of its objects. */
const checkTypes = (title: string, object: unknown): readonly string[] => {
  const { typeChecking } = toMapping(toMapping(object)['status']);
  const { expressionWarnings } = toMapping(typeChecking);
  const warnings = Array.isArray(expressionWarnings) ? expressionWarnings : [];
  return warnings
    .map(toMapping)
    .map(
      ({ fieldRef }) => `${title} ${String(fieldRef)}: expected a valid expression, got a warning`,
    );
};

const checkDefinition = (title: string, object: unknown): readonly string[] => {
  const { spec, status } = toMapping(object);
  const { versions } = toMapping(spec);
  const { conditions } = toMapping(status);
  const isServed = (Array.isArray(versions) ? versions : [])
    .map(toMapping)
    .some(({ name, served }) => name === API_VERSION && served === true);
  const isEstablished = (Array.isArray(conditions) ? conditions : [])
    .map(toMapping)
    .some((each) => each['type'] === 'Established' && each['status'] === 'True');
  return [
    ...(isServed ? [] : [`${title}: expected it to serve ${API_VERSION}, got other versions`]),
    ...(isEstablished ? [] : [`${title}: expected it to be established, got a pending definition`]),
  ];
};
