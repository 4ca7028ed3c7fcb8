import { isDeepStrictEqual } from 'node:util';

import {
  API_AUDIENCES,
  API_TOKEN_VOLUME_PREFIX,
  CLOUD_DOMAINS,
  INJECTED_LABEL,
  INSTALLED,
  OTHER_CLOUD_AUDIENCE_PREFIXES,
  OTHER_CLOUD_AUDIENCE_SUFFIXES,
  OTHER_CLOUD_AUDIENCES,
  PROTECTED_AUDIENCES,
  SIDECAR_CONTAINER,
  SIDECAR_GID,
  SIDECAR_UID,
  TASK_ANNOTATION_PREFIX,
  TOKEN_VOLUME,
  VOLUME_PREFIX,
} from '../../lib/contract/names.ts';
import { REQUEST_LABEL } from '../../lib/contract/approvals.ts';
import { buildPolicyParameters } from '../../lib/config/policy-parameters.ts';
import { CONSUMER_MOUNT_PATH } from '../../lib/contract/paths.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { POD_BINDINGS, POD_LABEL_BINDINGS } from '../../lib/injection/rules/foreign-credentials.ts';
import { SAFE_SYSCTLS } from '../../lib/injection/rules/isolation.ts';
import { NEAR_MISS } from '../../lib/injection/near-misses.ts';
import { NODE_OS_LABELS, WINDOWS_BUILD_LABEL } from '../../lib/injection/rules/operating-system.ts';
import { API_CERTIFICATE_SIGNER, TOKEN_SECRET_NAME } from '../../lib/injection/rules/volumes.ts';
import { LEVELS, SECCOMP_TYPES, SELINUX_TYPES } from '../../lib/injection/rules/levels.ts';
import {
  filterByKind,
  formatTitle,
  getList,
  getValue,
  type KubernetesObject,
} from '../../test/kit/kubernetes-objects.ts';
import { readRenderedPlatform } from './rendered-platform.ts';

type Objects = readonly KubernetesObject[];

const PARAMETERS = INSTALLED.policyParameters;
const POLICY = 'ValidatingAdmissionPolicy';

const SHARED = {
  sidecarName: SIDECAR_CONTAINER,
  sidecarUid: SIDECAR_UID,
  sidecarGid: SIDECAR_GID,
  volumePrefix: VOLUME_PREFIX,
  tokenVolume: TOKEN_VOLUME,
  socketPath: CONSUMER_MOUNT_PATH,
  seccompTypes: SECCOMP_TYPES,
  seLinuxTypes: ['', ...SELINUX_TYPES],
  restrictedDrop: [LEVELS.restricted.drop],
  baselineDrop: [LEVELS.baseline.drop, 'ALL'],
  restrictedCapabilities: LEVELS.restricted.addable,
  baselineCapabilities: LEVELS.baseline.addable,
};

const DECLARATION = {
  taskAnnotationPrefix: TASK_ANNOTATION_PREFIX,
  injectedLabel: INJECTED_LABEL,
};

/** By policy: the variables that repeat a constant of the programs, and its value there. */
const CONSTANTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'valetkey-bindings': DECLARATION,
  'valetkey-exec': { sidecarName: SIDECAR_CONTAINER },
  'valetkey-parameters': {},
  'valetkey-pod-changes': {
    ...SHARED,
    ...DECLARATION,
    podBindings: POD_BINDINGS,
    podLabelBindings: POD_LABEL_BINDINGS,
  },
  'valetkey-pods': {
    ...SHARED,
    cloudDomains: CLOUD_DOMAINS,
    safeSysctls: SAFE_SYSCTLS,
    protectedAudiences: PROTECTED_AUDIENCES,
    otherCloudAudiences: OTHER_CLOUD_AUDIENCES,
    otherCloudAudiencePrefixes: OTHER_CLOUD_AUDIENCE_PREFIXES,
    otherCloudAudienceSuffixes: OTHER_CLOUD_AUDIENCE_SUFFIXES,
    apiAudiences: API_AUDIENCES,
    osLabels: NODE_OS_LABELS,
    windowsBuildLabel: WINDOWS_BUILD_LABEL,
    tokenSecretName: TOKEN_SECRET_NAME,
    apiCertificateSigner: API_CERTIFICATE_SIGNER,
    apiTokenVolumePrefix: API_TOKEN_VOLUME_PREFIX,
  },
  'valetkey-webhook-configurations': {},
};

/** Additional policies under `trust: authority`. */
const AUTHORITY_CONSTANTS: typeof CONSTANTS = {
  'valetkey-approval-requests': {},
  'valetkey-approvals': { requestLabel: REQUEST_LABEL },
  'valetkey-revocations': {},
  'valetkey-tokens': {},
};

/**
 * What is wrong with the admission policies of a rendering: which exist, that each fails closed, that its
 * constants are those of the programs and its parameters those of the platform. What an expression
 * decides is tested on a real API server.
 */
export const findAdmissionPolicyFaults = (objects: Objects): readonly string[] => {
  const platform = readRenderedPlatform(objects);
  if (typeof platform === 'string') return [];
  const constants =
    platform.trust === 'authority' ? { ...CONSTANTS, ...AUTHORITY_CONSTANTS } : CONSTANTS;
  return [
    ...[POLICY, `${POLICY}Binding`].flatMap((kind) =>
      compare(kind, listNames(objects, kind), Object.keys(constants).sort()),
    ),
    ...filterByKind(objects, POLICY).flatMap((policy) => [
      ...findFailureFaults(policy),
      ...findConstantFaults(policy, constants[policy.metadata.name] ?? {}),
      ...findBindingFaults(policy, objects),
    ]),
    ...findParameterFaults(objects, platform),
    ...findConditionFaults(objects, platform),
  ];
};

const listNames = (objects: Objects, kind: string): readonly string[] =>
  filterByKind(objects, kind)
    .map(({ metadata }) => metadata.name)
    .sort();

const compare = (title: string, got: unknown, expected: unknown): readonly string[] =>
  isDeepStrictEqual(got, expected)
    ? []
    : [`${title}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`];

const findFailureFaults = (policy: KubernetesObject): readonly string[] => {
  const title = formatTitle(policy);
  const validations = getList(policy, 'spec.validations');
  return [
    ...compare(`${title}: failurePolicy`, getValue(policy, 'spec.failurePolicy'), 'Fail'),
    ...(validations.length === 0 ? [`${title}: expected validations, got none`] : []),
    ...validations.flatMap((validation) => [
      ...compare(`${title}: reason`, getValue(validation, 'reason'), 'Forbidden'),
      ...['message', 'messageExpression']
        .filter((field) => typeof getValue(validation, field) !== 'string')
        .map((field) => `${title}: ${field}: expected a text, got none`),
    ]),
  ];
};

/** A constant is written in JSON, which is CEL too. */
const findConstantFaults = (
  policy: KubernetesObject,
  constants: Readonly<Record<string, unknown>>,
): readonly string[] => {
  const variables = getList(policy, 'spec.variables');
  return Object.entries(constants).flatMap(([name, expected]) => {
    const found = variables.find((variable) => getValue(variable, 'name') === name);
    const got = found === undefined ? undefined : parseConstant(getValue(found, 'expression'));
    return compare(`${formatTitle(policy)}: ${name}`, got, expected);
  });
};

const parseConstant = (expression: unknown): unknown => {
  try {
    return JSON.parse(String(expression));
  } catch {
    return expression;
  }
};

/** A policy that reads parameters denies without them; every binding denies everywhere. */
const findBindingFaults = (policy: KubernetesObject, objects: Objects): readonly string[] => {
  const { name } = policy.metadata;
  const usesParameters = /\bparams\./.test(JSON.stringify(getValue(policy, 'spec')));
  const paramKind = usesParameters ? { apiVersion: 'v1', kind: 'ConfigMap' } : undefined;
  const namespace = filterByKind(objects, 'Deployment')[0]?.metadata.namespace;
  const paramRef = { name: PARAMETERS, namespace, parameterNotFoundAction: 'Deny' };
  const binding = filterByKind(objects, `${POLICY}Binding`).find(
    ({ metadata }) => metadata.name === name,
  );
  return [
    ...compare(`${formatTitle(policy)}: paramKind`, getValue(policy, 'spec.paramKind'), paramKind),
    ...compare(`${POLICY}Binding/${name}`, binding && getValue(binding, 'spec'), {
      policyName: name,
      ...(usesParameters && { paramRef }),
      validationActions: ['Deny'],
    }),
  ];
};

const findParameterFaults = (objects: Objects, platform: Platform): readonly string[] => {
  const found = filterByKind(objects, 'ConfigMap').find(
    ({ metadata }) => metadata.name === PARAMETERS,
  );
  const protection = filterByKind(objects, POLICY).find(
    ({ metadata }) => metadata.name === 'valetkey-parameters',
  );
  const path = 'spec.matchConstraints.namespaceSelector.matchLabels';
  return [
    ...compare(PARAMETERS, found && getValue(found, 'data'), buildPolicyParameters(platform)),
    ...compare(`${PARAMETERS}: annotations`, found && getValue(found, 'metadata.annotations'), {
      'helm.sh/resource-policy': 'keep',
    }),
    ...compare(`${POLICY}/valetkey-parameters: namespace`, getValue(protection, path), {
      'kubernetes.io/metadata.name': found?.metadata.namespace,
    }),
  ];
};

/** The validating webhook and both policies for pods select the same pods, by the programs' names. */
const findConditionFaults = (objects: Objects, platform: Platform): readonly string[] => {
  const audience = JSON.stringify(platform.sidecar.audience);
  const [webhooks] = filterByKind(objects, 'ValidatingWebhookConfiguration');
  const [mutating] = filterByKind(objects, 'MutatingWebhookConfiguration');
  const condition = String(getValue(webhooks, 'webhooks[0].matchConditions[0].expression'));
  const mutate = getValue(mutating, 'webhooks[0].matchConditions[0].expression');
  const workload = String(getValue(webhooks, 'webhooks[1].matchConditions[0].expression'));
  const nearMiss = JSON.stringify(`(?i)${NEAR_MISS.source}`);
  const names = [TASK_ANNOTATION_PREFIX, SIDECAR_CONTAINER, VOLUME_PREFIX];
  const quoted = [...names.map((name) => JSON.stringify(name))];
  if (platform.trust === 'authority') quoted.push(audience);
  const title = 'ValidatingWebhookConfiguration: matchConditions';
  return [
    ...quoted
      .filter((name) => !condition.includes(name))
      .map((name) => `${title}: expected ${name}, got ${condition}`),
    ...[JSON.stringify(TASK_ANNOTATION_PREFIX), nearMiss]
      .filter((text) => !workload.includes(text))
      .map((text) => `${title} of workloads: expected ${text}, got ${workload}`),
    ...compare(
      'MutatingWebhookConfiguration: matchConditions',
      mutate,
      `object.metadata.?annotations.orValue({}).exists(key, key.startsWith(${JSON.stringify(TASK_ANNOTATION_PREFIX)}))`,
    ),
    ...['valetkey-pods', 'valetkey-pod-changes'].flatMap((name) => {
      const policy = filterByKind(objects, POLICY).find(({ metadata }) => metadata.name === name);
      const expression = String(getValue(policy, 'spec.matchConditions[0].expression'));
      const got = expression.replace('params.data.audience', () => audience);
      return compare(`${POLICY}/${name}: matchConditions`, got, condition);
    }),
  ];
};
