import { isDeepStrictEqual } from 'node:util';

import { buildAdmissionPolicies } from '../../lib/admission-policies/admission-policies.ts';
import { toAdmissionPolicySettings } from '../../lib/admission-policies/policy-settings.ts';
import {
  API_GROUP,
  API_VERSION,
  AUDIT_HEADS_CONFIG_MAP,
  AUTHORITY_GID,
  AUTHORITY_LISTEN,
  AUTHORITY_UID,
  TRUST_BUNDLE_CONFIG_MAP,
  TASK_POLICIES,
} from '../../lib/contract/authority-api.ts';
import {
  AUTHORITY_ENV,
  AUTHORITY_TUNING_ENV,
  PLATFORM_FILE,
  WEBHOOK_ENV,
} from '../../lib/contract/environment.ts';
import {
  DOMAIN,
  INJECTION_TEMPLATES_CONFIG_MAP,
  WEBHOOK_GID,
  WEBHOOK_UID,
} from '../../lib/contract/names.ts';
import {
  MUTATE_PATH,
  VALIDATE_PATH,
  VALIDATE_POLICY_PATH,
  WEBHOOK_LISTEN,
} from '../../lib/contract/paths.ts';
import {
  AUTHORITY_COMMAND,
  AUTHORITY_RUNTIME_ENV,
  WEBHOOK_COMMAND,
  WEBHOOK_RUNTIME_ENV,
} from '../../lib/contract/runtime.ts';
import {
  buildAuthorityValidateConditions,
  mutateConditions,
  validateConditions,
} from '../../lib/injection/match-conditions.ts';
import {
  getValue,
  getList,
  filterByKind,
  formatTitle,
  type KubernetesObject,
} from '../../test/kit/kubernetes-objects.ts';
import { readRenderedPlatform } from './rendered-platform.ts';
import { findRightFaults } from './rbac-rights.ts';

/** The one object that is rendered into namespaces of others. */
export const AGENTS_POLICY = 'valetkey-no-instance-metadata';

type Objects = readonly KubernetesObject[];

/** Every kind the chart may render, with its only apiVersion and whether it lives in a namespace. */
const KINDS: Readonly<Record<string, { version: string; isNamespaced: boolean }>> = {
  Namespace: { version: 'v1', isNamespaced: false },
  ServiceAccount: { version: 'v1', isNamespaced: true },
  ConfigMap: { version: 'v1', isNamespaced: true },
  Service: { version: 'v1', isNamespaced: true },
  Deployment: { version: 'apps/v1', isNamespaced: true },
  StatefulSet: { version: 'apps/v1', isNamespaced: true },
  CustomResourceDefinition: { version: 'apiextensions.k8s.io/v1', isNamespaced: false },
  TaskPolicy: { version: `${API_GROUP}/${API_VERSION}`, isNamespaced: false },
  ValidatingAdmissionPolicy: {
    version: 'admissionregistration.k8s.io/v1',
    isNamespaced: false,
  },
  ValidatingAdmissionPolicyBinding: {
    version: 'admissionregistration.k8s.io/v1',
    isNamespaced: false,
  },
  PodDisruptionBudget: { version: 'policy/v1', isNamespaced: true },
  PriorityClass: { version: 'scheduling.k8s.io/v1', isNamespaced: false },
  Role: { version: 'rbac.authorization.k8s.io/v1', isNamespaced: true },
  RoleBinding: { version: 'rbac.authorization.k8s.io/v1', isNamespaced: true },
  ClusterRole: { version: 'rbac.authorization.k8s.io/v1', isNamespaced: false },
  ClusterRoleBinding: { version: 'rbac.authorization.k8s.io/v1', isNamespaced: false },
  NetworkPolicy: { version: 'networking.k8s.io/v1', isNamespaced: true },
  MutatingWebhookConfiguration: {
    version: 'admissionregistration.k8s.io/v1',
    isNamespaced: false,
  },
  ValidatingWebhookConfiguration: {
    version: 'admissionregistration.k8s.io/v1',
    isNamespaced: false,
  },
  Issuer: { version: 'cert-manager.io/v1', isNamespaced: true },
  Certificate: { version: 'cert-manager.io/v1', isNamespaced: true },
  SecurityContextConstraints: { version: 'security.openshift.io/v1', isNamespaced: false },
  ServiceMonitor: { version: 'monitoring.coreos.com/v1', isNamespaced: true },
  PodMonitor: { version: 'monitoring.coreos.com/v1', isNamespaced: true },
  PrometheusRule: { version: 'monitoring.coreos.com/v1', isNamespaced: true },
};

/**
 * What is wrong with a rendering, whatever the values: one sentence each. The words are compared with
 * lib/contract itself, not with the chart's copy.
 */
export const findInvariantFaults = (objects: Objects): readonly string[] => [
  ...objects.flatMap(findKindFaults),
  ...findNameFaults(objects),
  ...findNamespaceFaults(objects),
  ...findRightFaults(objects),
  ...findDeploymentFaults(objects),
  ...findAuthorityFaults(objects),
  ...findConfigurationFaults(objects, 'MutatingWebhookConfiguration', [MUTATING_WEBHOOK]),
  ...findConfigurationFaults(
    objects,
    'ValidatingWebhookConfiguration',
    buildValidatingWebhooks(objects),
  ),
  ...findAdmissionPolicyFaults(objects),
  ...findPlatformFaults(objects),
];

const hasAuthority = (objects: Objects): boolean => filterByKind(objects, 'StatefulSet').length > 0;

const MUTATING_WEBHOOK: ExpectedWebhook = {
  name: `mutate.${DOMAIN}`,
  path: MUTATE_PATH,
  rules: [buildPodsRule(['pods'], ['CREATE'])],
  matchConditions: mutateConditions,
  reinvocationPolicy: 'IfNeeded',
};

const buildValidatingWebhooks = (objects: Objects): readonly ExpectedWebhook[] => {
  const pods = {
    name: `validate.${DOMAIN}`,
    path: VALIDATE_PATH,
    rules: [
      buildPodsRule(['pods'], ['CREATE', 'UPDATE']),
      buildPodsRule(['pods/ephemeralcontainers', 'pods/resize'], ['UPDATE']),
    ],
    reinvocationPolicy: undefined,
  };
  const platform = readRenderedPlatform(objects);
  if (!hasAuthority(objects) || typeof platform === 'string') {
    return [{ ...pods, matchConditions: validateConditions }];
  }
  const audience = JSON.stringify(platform.sidecar.audience);
  return [{ ...pods, matchConditions: buildAuthorityValidateConditions(audience) }, POLICY_WEBHOOK];
};

/** Policies are judged by the authority again: a first installation needs no webhook to be there. */
const POLICY_WEBHOOK: ExpectedWebhook = {
  name: `policies.${DOMAIN}`,
  path: VALIDATE_POLICY_PATH,
  rules: [
    {
      apiGroups: [API_GROUP],
      apiVersions: [API_VERSION],
      resources: [TASK_POLICIES],
      operations: ['CREATE', 'UPDATE'],
      scope: 'Cluster',
    },
  ],
  matchConditions: undefined,
  reinvocationPolicy: undefined,
  failurePolicy: 'Ignore',
};

function buildPodsRule(resources: readonly string[], operations: readonly string[]) {
  return {
    apiGroups: [''],
    apiVersions: ['v1'],
    resources,
    operations,
    scope: 'Namespaced',
  };
}

const findKindFaults = (object: KubernetesObject): readonly string[] => {
  const known = KINDS[object.kind];
  const title = formatTitle(object);
  if (known?.version !== object.apiVersion) return [`${title}: unknown kind or apiVersion`];
  const { namespace } = object.metadata;
  return (namespace !== undefined) === known.isNamespaced
    ? []
    : [`${title}: namespace ${namespace ?? 'missing'}`];
};

const findNameFaults = (objects: Objects): readonly string[] => {
  const keys = objects.map(
    (object) => `${formatTitle(object)} in ${object.metadata.namespace ?? '-'}`,
  );
  return [
    ...objects
      .filter(({ metadata }) => !/^valetkey|\.valetkey\.dev$/.test(metadata.name))
      .map(isForeignObject),
    ...keys.filter((key, index) => keys.indexOf(key) !== index).map((key) => `${key}: twice`),
  ];
};

const isForeignObject = (object: KubernetesObject): string =>
  `${formatTitle(object)}: does not begin valetkey`;

/** Only the policy that closes instance metadata leaves our namespace. */
const findNamespaceFaults = (objects: Objects): readonly string[] => {
  const own = filterByKind(objects, 'Deployment')[0]?.metadata.namespace;
  return objects
    .filter(({ metadata }) => metadata.name !== AGENTS_POLICY)
    .filter(({ metadata }) => metadata.namespace !== undefined && metadata.namespace !== own)
    .map(
      (object) =>
        `${formatTitle(object)}: namespace ${object.metadata.namespace ?? ''} is not ours`,
    );
};

/** Compares fields of one value; a path that differs is named with what was expected and got. */
const listDifferences = (
  title: string,
  value: unknown,
  expected: Readonly<Record<string, unknown>>,
): readonly string[] =>
  Object.entries(expected)
    .filter(([path, wanted]) => !isDeepStrictEqual(getValue(value, path), wanted))
    .map(([path, wanted]) => {
      const got = JSON.stringify(getValue(value, path));
      return `${title}: ${path}: expected ${JSON.stringify(wanted)}, got ${got}`;
    });

/** Restricted pod security, our command, and exactly the environment that the program reads. */
const findDeploymentFaults = (objects: Objects): readonly string[] => {
  const [deployment, ...others] = filterByKind(objects, 'Deployment');
  if (deployment === undefined || others.length > 0) return ['expected one Deployment'];
  const title = formatTitle(deployment);
  const isSelfSigned =
    getValue(listEnvironmentVariables(deployment), WEBHOOK_ENV.certificates) === 'self-signed';
  const left = isSelfSigned ? 'certificatesFolder' : 'caSecret';
  const names = Object.entries(WEBHOOK_ENV).flatMap(([key, name]) => (key === left ? [] : [name]));
  const found = Object.keys(listEnvironmentVariables(deployment)).sort();
  return [
    ...listDifferences(title, getValue(deployment, 'spec'), {
      'strategy.rollingUpdate.maxUnavailable': 0,
      'template.spec.securityContext.runAsNonRoot': true,
      'template.spec.securityContext.runAsUser': WEBHOOK_UID,
      'template.spec.securityContext.runAsGroup': WEBHOOK_GID,
      'template.spec.securityContext.seccompProfile.type': 'RuntimeDefault',
      'template.spec.enableServiceLinks': false,
      'template.spec.containers.length': 1,
      'template.spec.containers[0].command': WEBHOOK_COMMAND,
      'template.spec.containers[0].securityContext': {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    }),
    ...listDifferences(title, listEnvironmentVariables(deployment), {
      ...WEBHOOK_RUNTIME_ENV,
      [WEBHOOK_ENV.platformFile]: PLATFORM_FILE,
      [WEBHOOK_ENV.listen]: `:${WEBHOOK_LISTEN}`,
    }),
    ...(isDeepStrictEqual(found, [...names, ...Object.keys(WEBHOOK_RUNTIME_ENV)].sort())
      ? []
      : [`${title}: environment: ${found.join(', ')}`]),
  ];
};

const listEnvironmentVariables = (
  deployment: KubernetesObject,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries<unknown>(
    getList(deployment, 'spec.template.spec.containers[0].env').map((variable) => [
      String(getValue(variable, 'name')),
      getValue(variable, 'value') ?? getValue(variable, 'valueFrom'),
    ]),
  );

/** Restricted pod security, its own user, our command, and exactly the environment that the program reads. */
const findAuthorityFaults = (objects: Objects): readonly string[] => {
  const [set, ...others] = filterByKind(objects, 'StatefulSet');
  if (set === undefined) return [];
  if (others.length > 0) return ['expected one StatefulSet'];
  const title = formatTitle(set);
  const expected = [...Object.values(AUTHORITY_ENV), ...Object.keys(AUTHORITY_RUNTIME_ENV)].sort();
  const tuning: readonly string[] = Object.values(AUTHORITY_TUNING_ENV);
  const found = Object.keys(listEnvironmentVariables(set))
    .filter((name) => !tuning.includes(name))
    .sort();
  return [
    ...listDifferences(title, getValue(set, 'spec'), {
      podManagementPolicy: 'Parallel',
      'template.spec.securityContext.runAsNonRoot': true,
      'template.spec.securityContext.runAsUser': AUTHORITY_UID,
      'template.spec.securityContext.runAsGroup': AUTHORITY_GID,
      'template.spec.securityContext.seccompProfile.type': 'RuntimeDefault',
      'template.spec.enableServiceLinks': false,
      'template.spec.containers.length': 1,
      'template.spec.containers[0].command': AUTHORITY_COMMAND,
      'template.spec.containers[0].securityContext': {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    }),
    ...listDifferences(title, listEnvironmentVariables(set), {
      ...AUTHORITY_RUNTIME_ENV,
      [AUTHORITY_ENV.platformFile]: PLATFORM_FILE,
      [AUTHORITY_ENV.listen]: `:${AUTHORITY_LISTEN}`,
    }),
    ...(isDeepStrictEqual(found, expected) ? [] : [`${title}: environment: ${found.join(', ')}`]),
  ];
};

type ExpectedWebhook = {
  readonly name: string;
  readonly path: string;
  readonly rules: readonly unknown[];
  readonly matchConditions: unknown;
  readonly reinvocationPolicy: string | undefined;
  /** Fail, unless given; only then our own pods need to be spared. */
  readonly failurePolicy?: 'Ignore';
};

const findConfigurationFaults = (
  objects: Objects,
  kind: string,
  expected: readonly ExpectedWebhook[],
): readonly string[] => {
  const [configuration, ...others] = filterByKind(objects, kind);
  if (configuration === undefined || others.length > 0) return [`expected one ${kind}`];
  const webhooks = getList(configuration, 'webhooks');
  return [
    ...listDifferences(formatTitle(configuration), webhooks, { length: expected.length }),
    ...expected.flatMap((each, index) =>
      listDifferences(
        formatTitle(configuration),
        webhooks[index],
        listWebhookFields(objects, each),
      ),
    ),
  ];
};

const listWebhookFields = (
  objects: Objects,
  { name, path, rules, matchConditions, reinvocationPolicy, failurePolicy }: ExpectedWebhook,
): Readonly<Record<string, unknown>> => {
  const service = filterByKind(objects, 'Service').find(
    ({ metadata }) => metadata.name === 'valetkey-webhook',
  );
  const own = service?.metadata.namespace;
  const excluded = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: [own] };
  const scope = { namespaceSelector: { matchExpressions: [excluded] }, objectSelector: {} };
  return {
    name,
    clientConfig: { service: { name: service?.metadata.name, namespace: own, path, port: 443 } },
    rules,
    matchConditions,
    ...(failurePolicy === undefined ? scope : {}),
    failurePolicy: failurePolicy ?? 'Fail',
    sideEffects: 'None',
    reinvocationPolicy,
    admissionReviewVersions: ['v1'],
  };
};

/** What the API server holds by itself is what lib/admission-policies says of the same settings. */
const findAdmissionPolicyFaults = (objects: Objects): readonly string[] => {
  const platform = readRenderedPlatform(objects);
  if (typeof platform === 'string') return [];
  const expected = buildAdmissionPolicies(toAdmissionPolicySettings(platform));
  const names = expected.map(({ name }) => name);
  return [
    ...['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'].flatMap((kind) =>
      listDifferences(
        kind,
        { names: filterByKind(objects, kind).map(({ metadata }) => metadata.name) },
        { names },
      ),
    ),
    ...filterByKind(objects, 'ValidatingAdmissionPolicy').flatMap((policy, index) =>
      listDifferences(formatTitle(policy), policy, { spec: expected[index]?.spec }),
    ),
    ...filterByKind(objects, 'ValidatingAdmissionPolicyBinding').flatMap((binding) =>
      listDifferences(formatTitle(binding), binding, {
        spec: { policyName: binding.metadata.name, validationActions: ['Deny'] },
      }),
    ),
  ];
};

/** The settings are read by the reader of the webhook itself; the image is one for both programs. */
const findPlatformFaults = (objects: Objects): readonly string[] => {
  const platform = readRenderedPlatform(objects);
  if (typeof platform === 'string') return [platform];
  const [deployment] = filterByKind(objects, 'Deployment');
  const maps = filterByKind(objects, 'ConfigMap').map(({ metadata }) => metadata.name);
  return [
    ...listDifferences('Deployment', deployment, {
      'spec.template.spec.containers[0].image': platform.sidecar.image,
      'spec.template.spec.containers[0].imagePullPolicy': platform.sidecar.imagePullPolicy,
    }),
    // An upgrade would take back what replicas published.
    ...[INJECTION_TEMPLATES_CONFIG_MAP, TRUST_BUNDLE_CONFIG_MAP, AUDIT_HEADS_CONFIG_MAP]
      .filter((name) => maps.includes(name))
      .map((name) => `${name}: is the programs' own`),
  ];
};
