import { isDeepStrictEqual } from 'node:util';

import { PLATFORM_FILE, WEBHOOK_ENV } from '../lib/contract/environment.ts';
import { DOMAIN, PROFILES_CONFIG_MAP, WEBHOOK_GID, WEBHOOK_UID } from '../lib/contract/names.ts';
import { MUTATE_PATH, VALIDATE_PATH, WEBHOOK_LISTEN } from '../lib/contract/paths.ts';
import { WEBHOOK_COMMAND, WEBHOOK_RUNTIME_ENV } from '../lib/contract/runtime.ts';
import { mutateConditions, validateConditions } from '../lib/injection/match-conditions.ts';
import { at, listAt, ofKind, titleOf, type KubernetesObject } from './objects.ts';
import { readRenderedPlatform } from './platform.ts';
import { rightFaults } from './rights.ts';

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
  ServiceMonitor: { version: 'monitoring.coreos.com/v1', isNamespaced: true },
  PodMonitor: { version: 'monitoring.coreos.com/v1', isNamespaced: true },
};

/**
 * What is wrong with a rendering, whatever the values: one sentence each. The words are compared with
 * lib/contract itself, not with the chart's copy.
 */
export const invariantFaults = (objects: Objects): readonly string[] => [
  ...objects.flatMap(kindFaults),
  ...nameFaults(objects),
  ...namespaceFaults(objects),
  ...rightFaults(objects),
  ...deploymentFaults(objects),
  ...configurationFaults(objects, 'MutatingWebhookConfiguration', {
    name: `mutate.${DOMAIN}`,
    path: MUTATE_PATH,
    operations: ['CREATE'],
    matchConditions: mutateConditions,
    reinvocationPolicy: 'IfNeeded',
  }),
  ...configurationFaults(objects, 'ValidatingWebhookConfiguration', {
    name: `validate.${DOMAIN}`,
    path: VALIDATE_PATH,
    operations: ['CREATE', 'UPDATE'],
    matchConditions: validateConditions,
    reinvocationPolicy: undefined,
  }),
  ...platformFaults(objects),
];

const kindFaults = (object: KubernetesObject): readonly string[] => {
  const known = KINDS[object.kind];
  const title = titleOf(object);
  if (known?.version !== object.apiVersion) return [`${title}: unknown kind or apiVersion`];
  const { namespace } = object.metadata;
  return (namespace !== undefined) === known.isNamespaced
    ? []
    : [`${title}: namespace ${namespace ?? 'missing'}`];
};

const nameFaults = (objects: Objects): readonly string[] => {
  const keys = objects.map((object) => `${titleOf(object)} in ${object.metadata.namespace ?? '-'}`);
  return [
    ...objects.filter(({ metadata }) => !metadata.name.startsWith('valetkey')).map(notOurs),
    ...keys.filter((key, index) => keys.indexOf(key) !== index).map((key) => `${key}: twice`),
  ];
};

const notOurs = (object: KubernetesObject): string => `${titleOf(object)}: does not begin valetkey`;

/** Only the policy that closes instance metadata leaves our namespace. */
const namespaceFaults = (objects: Objects): readonly string[] => {
  const own = ofKind(objects, 'Deployment')[0]?.metadata.namespace;
  return objects
    .filter(({ metadata }) => metadata.name !== AGENTS_POLICY)
    .filter(({ metadata }) => metadata.namespace !== undefined && metadata.namespace !== own)
    .map(
      (object) => `${titleOf(object)}: namespace ${object.metadata.namespace ?? ''} is not ours`,
    );
};

/** Compares fields of one value; a path that differs is named with what was expected and got. */
const differences = (
  title: string,
  value: unknown,
  expected: Readonly<Record<string, unknown>>,
): readonly string[] =>
  Object.entries(expected)
    .filter(([path, wanted]) => !isDeepStrictEqual(at(value, path), wanted))
    .map(([path, wanted]) => {
      const got = JSON.stringify(at(value, path));
      return `${title}: ${path}: expected ${JSON.stringify(wanted)}, got ${got}`;
    });

/** Restricted pod security, our command, and exactly the environment that the program reads. */
const deploymentFaults = (objects: Objects): readonly string[] => {
  const [deployment, ...others] = ofKind(objects, 'Deployment');
  if (deployment === undefined || others.length > 0) return ['expected one Deployment'];
  const title = titleOf(deployment);
  const own = at(variablesOf(deployment), WEBHOOK_ENV.certificates) === 'own';
  const left = own ? 'certificatesFolder' : 'caSecret';
  const names = Object.entries(WEBHOOK_ENV).flatMap(([key, name]) => (key === left ? [] : [name]));
  const found = Object.keys(variablesOf(deployment)).sort();
  return [
    ...differences(title, at(deployment, 'spec'), {
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
    ...differences(title, variablesOf(deployment), {
      ...WEBHOOK_RUNTIME_ENV,
      [WEBHOOK_ENV.platformFile]: PLATFORM_FILE,
      [WEBHOOK_ENV.listen]: `:${WEBHOOK_LISTEN}`,
    }),
    ...(isDeepStrictEqual(found, [...names, ...Object.keys(WEBHOOK_RUNTIME_ENV)].sort())
      ? []
      : [`${title}: environment: ${found.join(', ')}`]),
  ];
};

const variablesOf = (deployment: KubernetesObject): Readonly<Record<string, unknown>> =>
  Object.fromEntries<unknown>(
    listAt(deployment, 'spec.template.spec.containers[0].env').map((variable) => [
      String(at(variable, 'name')),
      at(variable, 'value') ?? at(variable, 'valueFrom'),
    ]),
  );

type Expected = {
  readonly name: string;
  readonly path: string;
  readonly operations: readonly string[];
  readonly matchConditions: unknown;
  readonly reinvocationPolicy: string | undefined;
};

const configurationFaults = (
  objects: Objects,
  kind: string,
  { name, path, operations, matchConditions, reinvocationPolicy }: Expected,
): readonly string[] => {
  const [configuration, ...others] = ofKind(objects, kind);
  if (configuration === undefined || others.length > 0) return [`expected one ${kind}`];
  const [service] = ofKind(objects, 'Service');
  const own = service?.metadata.namespace;
  const excluded = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: [own] };
  return differences(titleOf(configuration), listAt(configuration, 'webhooks'), {
    length: 1,
    '[0].name': name,
    '[0].clientConfig': {
      service: { name: service?.metadata.name, namespace: own, path, port: 443 },
    },
    '[0].rules': [
      {
        apiGroups: [''],
        apiVersions: ['v1'],
        resources: ['pods'],
        operations,
        scope: 'Namespaced',
      },
    ],
    '[0].matchConditions': matchConditions,
    '[0].namespaceSelector': { matchExpressions: [excluded] },
    '[0].objectSelector': {},
    '[0].failurePolicy': 'Fail',
    '[0].sideEffects': 'None',
    '[0].reinvocationPolicy': reinvocationPolicy,
    '[0].admissionReviewVersions': ['v1'],
  });
};

/** The settings are read by the reader of the webhook itself; the image is one for both programs. */
const platformFaults = (objects: Objects): readonly string[] => {
  const platform = readRenderedPlatform(objects);
  if (typeof platform === 'string') return [platform];
  const [deployment] = ofKind(objects, 'Deployment');
  const maps = ofKind(objects, 'ConfigMap').map(({ metadata }) => metadata.name);
  return [
    ...differences('Deployment', deployment, {
      'spec.template.spec.containers[0].image': platform.sidecar.image,
      'spec.template.spec.containers[0].imagePullPolicy': platform.sidecar.imagePullPolicy,
    }),
    // An upgrade would take back what replicas published.
    ...(maps.includes(PROFILES_CONFIG_MAP) ? [`${PROFILES_CONFIG_MAP}: is the webhook's own`] : []),
  ];
};
