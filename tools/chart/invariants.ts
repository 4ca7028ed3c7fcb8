import { isDeepStrictEqual } from 'node:util';

import { mayBeAddedToSidecar } from '../../lib/config/environment-review.ts';
import {
  API_GROUP,
  API_VERSION,
  AUTHORITY_GID,
  AUTHORITY_LISTEN,
  AUTHORITY_UID,
  TASK_POLICIES,
  UPSTREAMS,
} from '../../lib/contract/authority-api.ts';
import {
  AUTHORITY_ENV,
  AUTHORITY_TUNING_ENV,
  PLATFORM_FILE,
  WEBHOOK_ENV,
} from '../../lib/contract/environment.ts';
import { DOMAIN, WEBHOOK_GID, WEBHOOK_UID } from '../../lib/contract/names.ts';
import {
  MUTATE_PATH,
  VALIDATE_PATH,
  VALIDATE_POLICY_PATH,
  WARN_WORKLOAD_PATH,
} from '../../lib/contract/paths.ts';
import {
  AUTHORITY_COMMAND,
  AUTHORITY_RUNTIME_ENV,
  WEBHOOK_COMMAND,
  WEBHOOK_RUNTIME_ENV,
} from '../../lib/contract/runtime.ts';
import { findAdmissionPolicyFaults } from './admission-policy-faults.ts';
import {
  getValue,
  getList,
  filterByKind,
  formatTitle,
  type KubernetesObject,
} from '../../test/kit/kubernetes-objects.ts';
import { STORED_OBJECTS } from '../../test/kit/stored-objects.ts';
import { readRenderedPlatform } from './rendered-platform.ts';
import { findRightFaults } from './rbac-rights.ts';

/** The only object that is rendered into other namespaces. */
export const AGENTS_POLICY = 'valetkey-no-instance-metadata';

/** Kept so that Helm, which deletes ConfigMaps before policies, never leaves a policy without its parameters. */
const POLICY_PARAMETERS = 'ConfigMap/valetkey-policy-parameters';

type Objects = readonly KubernetesObject[];

/** Every kind that the chart may render, with its apiVersion and scope. */
const KINDS: Readonly<Record<string, { version: string; isNamespaced: boolean }>> = {
  Namespace: { version: 'v1', isNamespaced: false },
  ServiceAccount: { version: 'v1', isNamespaced: true },
  ConfigMap: { version: 'v1', isNamespaced: true },
  Secret: { version: 'v1', isNamespaced: true },
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
  HorizontalPodAutoscaler: { version: 'autoscaling/v2', isNamespaced: true },
  Ingress: { version: 'networking.k8s.io/v1', isNamespaced: true },
  HTTPRoute: { version: 'gateway.networking.k8s.io/v1', isNamespaced: true },
  BackendTLSPolicy: { version: 'gateway.networking.k8s.io/v1', isNamespaced: true },
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
 * Finds violations of the invariants that hold for all values, one error text each. Constants are
 * compared with lib/contract, not with the chart's copy.
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
  ...findStoredObjectFaults(objects),
  ...findUninstallFaults(objects),
];

const hasAuthority = (objects: Objects): boolean => filterByKind(objects, 'StatefulSet').length > 0;

const MUTATING_WEBHOOK: ExpectedWebhook = {
  name: `mutate.${DOMAIN}`,
  path: MUTATE_PATH,
  rules: [buildPodsRule(['pods'], ['CREATE'])],
  conditions: ['declares-a-task'],
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
    conditions: ['declares-a-task-or-uses-a-reserved-name'],
    reinvocationPolicy: undefined,
  };
  return hasAuthority(objects)
    ? [pods, WORKLOAD_WEBHOOK, POLICY_WEBHOOK]
    : [pods, WORKLOAD_WEBHOOK];
};

/** Its answer is only a warning, so that it may fail. */
const WORKLOAD_WEBHOOK: ExpectedWebhook = {
  name: `workloads.${DOMAIN}`,
  path: WARN_WORKLOAD_PATH,
  rules: [
    buildPodsRule(['deployments', 'statefulsets', 'daemonsets'], ['CREATE', 'UPDATE'], 'apps'),
    buildPodsRule(['jobs', 'cronjobs'], ['CREATE', 'UPDATE'], 'batch'),
    buildPodsRule(['replicationcontrollers', 'podtemplates'], ['CREATE', 'UPDATE']),
    buildPodsRule(['pods'], ['CREATE']),
  ],
  conditions: ['declares-a-task-or-nearly'],
  reinvocationPolicy: undefined,
  failurePolicy: 'Ignore',
};

/** The authority validates policies again: a first installation needs no running webhook. */
const POLICY_WEBHOOK: ExpectedWebhook = {
  name: `policies.${DOMAIN}`,
  path: VALIDATE_POLICY_PATH,
  rules: [
    {
      apiGroups: [API_GROUP],
      apiVersions: [API_VERSION],
      resources: [TASK_POLICIES, UPSTREAMS],
      operations: ['CREATE', 'UPDATE'],
      scope: 'Cluster',
    },
  ],
  conditions: [],
  reinvocationPolicy: undefined,
  failurePolicy: 'Ignore',
};

function buildPodsRule(resources: readonly string[], operations: readonly string[], apiGroup = '') {
  return {
    apiGroups: [apiGroup],
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
  `${formatTitle(object)}: expected a name that starts with valetkey`;

/** The right to read the secrets of Upstreams, in the namespace of these. */
const UPSTREAM_SECRETS = 'valetkey-authority-upstreams';

/** Only that, and the policy that blocks instance metadata, are rendered into other namespaces. */
const findNamespaceFaults = (objects: Objects): readonly string[] => {
  const own = filterByKind(objects, 'Deployment')[0]?.metadata.namespace;
  return objects
    .filter(({ metadata }) => ![AGENTS_POLICY, UPSTREAM_SECRETS].includes(metadata.name))
    .filter(({ metadata }) => metadata.namespace !== undefined && metadata.namespace !== own)
    .map(
      (object) =>
        `${formatTitle(object)}: namespace ${object.metadata.namespace ?? ''} is not that of the Deployment`,
    );
};

/** Compares fields of a value. Each error names the path, the expected and the actual value. */
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

/** Checks restricted pod security, the command, and that the environment is exactly what the program reads and names without effect on it. */
const findDeploymentFaults = (objects: Objects): readonly string[] => {
  const [deployment, ...others] = filterByKind(objects, 'Deployment');
  if (deployment === undefined || others.length > 0) return ['expected one Deployment'];
  const title = formatTitle(deployment);
  const isSelfSigned =
    getValue(listEnvironmentVariables(deployment), WEBHOOK_ENV.certificates) === 'self-signed';
  const left = isSelfSigned ? 'certificatesFolder' : 'caSecret';
  const names = Object.entries(WEBHOOK_ENV).flatMap(([key, name]) => (key === left ? [] : [name]));
  const found = Object.keys(listEnvironmentVariables(deployment))
    .filter((name) => !mayBeAddedToSidecar(name))
    .sort();
  return [
    ...findPortFaults(objects, deployment),
    ...listDifferences(title, getValue(deployment, 'spec'), {
      // While no replica is ready, no pod with tasks is created.
      'strategy.type': 'RollingUpdate',
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
    }),
    ...(isDeepStrictEqual(found, [...names, ...Object.keys(WEBHOOK_RUNTIME_ENV)].sort())
      ? []
      : [`${title}: environment: ${found.join(', ')}`]),
  ];
};

/** The webhook's program, Service and NetworkPolicy have the port of its container, named https. */
const findPortFaults = (objects: Objects, deployment: KubernetesObject): readonly string[] => {
  const port = getValue(deployment, 'spec.template.spec.containers[0].ports[0].containerPort');
  const named = (kind: string) =>
    filterByKind(objects, kind).find(({ metadata }) => metadata.name === 'valetkey-webhook');
  const policy = named('NetworkPolicy');
  return [
    ...listDifferences('Deployment', listEnvironmentVariables(deployment), {
      [WEBHOOK_ENV.listen]: `:${String(port)}`,
    }),
    ...listDifferences('Service', named('Service'), { 'spec.ports[0].targetPort': 'https' }),
    ...(policy === undefined
      ? []
      : listDifferences('NetworkPolicy', policy, { 'spec.ingress[0].ports[0].port': port })),
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

/** As {@link findDeploymentFaults}, with the authority's own user. */
const findAuthorityFaults = (objects: Objects): readonly string[] => {
  const [set, ...others] = filterByKind(objects, 'StatefulSet');
  if (set === undefined) return [];
  if (others.length > 0) return ['expected one StatefulSet'];
  const title = formatTitle(set);
  const expected = [...Object.values(AUTHORITY_ENV), ...Object.keys(AUTHORITY_RUNTIME_ENV)].sort();
  const tuning: readonly string[] = Object.values(AUTHORITY_TUNING_ENV);
  const found = Object.keys(listEnvironmentVariables(set))
    .filter((name) => !tuning.includes(name) && !mayBeAddedToSidecar(name))
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
  /** Names of `matchConditions`; admission-policy-faults.ts compares their expressions. */
  readonly conditions: readonly string[];
  readonly reinvocationPolicy: string | undefined;
  /** Default: Fail, which requires that Valetkey's own namespace is excluded. */
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
  const title = formatTitle(configuration);
  return [
    ...listDifferences(title, webhooks, { length: expected.length }),
    ...expected.flatMap((each, index) => [
      ...listDifferences(title, webhooks[index], listWebhookFields(objects, each)),
      ...listDifferences(
        title,
        { matchConditions: listConditionNames(webhooks[index]) },
        { matchConditions: each.conditions },
      ),
    ]),
  ];
};

const listConditionNames = (webhook: unknown): readonly unknown[] =>
  getList(webhook, 'matchConditions').map((condition) => getValue(condition, 'name'));

const listWebhookFields = (
  objects: Objects,
  { name, path, rules, reinvocationPolicy, failurePolicy }: ExpectedWebhook,
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
    ...(failurePolicy === undefined ? scope : {}),
    failurePolicy: failurePolicy ?? 'Fail',
    sideEffects: 'None',
    reinvocationPolicy,
    admissionReviewVersions: ['v1'],
  };
};

/** The settings are read by the reader of the webhook itself; the image is one for both programs. */
const findPlatformFaults = (objects: Objects): readonly string[] => {
  const platform = readRenderedPlatform(objects);
  if (typeof platform === 'string') return [platform];
  const [deployment] = filterByKind(objects, 'Deployment');
  return [
    ...listDifferences('Deployment', deployment, {
      'spec.template.spec.containers[0].image': platform.sidecar.image,
      'spec.template.spec.containers[0].imagePullPolicy': platform.sidecar.imagePullPolicy,
    }),
  ];
};

/**
 * The chart creates the objects that programs write, because no program may; with a member such as `data`
 * an upgrade would revert it.
 */
const findStoredObjectFaults = (objects: Objects): readonly string[] => {
  const needed = listProgramObjects(objects);
  const rendered = objects.filter(({ kind, metadata }) =>
    STORED_OBJECTS.some((each) => each.kind === kind && each.name === metadata.name),
  );
  return [
    ...listDifferences(
      'Objects that programs write',
      { titles: rendered.map(formatTitle).sort() },
      {
        titles: [...needed].sort(),
      },
    ),
    ...rendered.flatMap((object) =>
      listDifferences(formatTitle(object), object, {
        'metadata.annotations': { 'helm.sh/resource-policy': 'keep' },
        data: undefined,
        stringData: undefined,
        binaryData: undefined,
        immutable: undefined,
      }),
    ),
  ];
};

/** What `helm uninstall` keeps: data that a new installation continues with, and what blocks nothing without policies. */
const KEPT = [...STORED_OBJECTS.map(({ kind, name }) => `${kind}/${name}`), POLICY_PARAMETERS];

/**
 * Nothing that is left after `helm uninstall` may block: no webhook configuration or admission policy is kept, no
 * object waits for a finalizer, and no hook must succeed.
 */
const findUninstallFaults = (objects: Objects): readonly string[] =>
  objects.flatMap((object) => {
    const title = formatTitle(object);
    const annotations = Object.keys(getValue(object, 'metadata.annotations') ?? {});
    const isKept = annotations.includes('helm.sh/resource-policy');
    const mayBeKept = KEPT.includes(title) || object.kind === 'CustomResourceDefinition';
    return [
      ...(isKept && !mayBeKept ? [`${title}: expected to be deleted with the release`] : []),
      ...(annotations.some((name) => name.startsWith('helm.sh/hook'))
        ? [`${title}: expected no hook`]
        : []),
      ...listDifferences(title, object, {
        'metadata.finalizers': undefined,
        // By which docs/upgrading.md deletes what an interrupted uninstall left.
        'metadata.labels[app.kubernetes.io/name]': 'valetkey',
      }),
    ];
  });

/** `kind/name` of every Secret and ConfigMap that a Role lets a program patch. */
const listProgramObjects = (objects: Objects): readonly string[] => {
  const rules = filterByKind(objects, 'Role').flatMap((role) => getList(role, 'rules'));
  const writable = rules.filter((rule) => getList(rule, 'verbs').includes('patch'));
  return writable.flatMap((rule) =>
    (['ConfigMap', 'Secret'] as const)
      .filter((kind) => getList(rule, 'resources').includes(`${kind.toLowerCase()}s`))
      .flatMap((kind) => getList(rule, 'resourceNames').map((name) => `${kind}/${String(name)}`)),
  );
};
