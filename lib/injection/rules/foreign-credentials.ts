import { CONSUMER_ENV, SIGN_CONSUMER_ENV } from '../../contract/environment.ts';
import type { Container, EnvVar, Pod } from '../../contract/pod.ts';
import { formatValue, type Expectation, type FieldError } from '../../schema/field-error.ts';
import { PROFILE_VARIABLES } from '../consumer-environment.ts';
import { readAdmittedConsumers, listOtherContainers } from '../consumers.ts';
import { toJsonPointer } from '../json-patch.ts';
import type { InjectionTemplate } from '../injection-template.ts';
import { findSettingsConfigMap } from '../settings-file.ts';
import { isSigned } from '../injected-fields.ts';
import { checkEndpoints } from './foreign-endpoints.ts';
import { checkForeignKeys } from './foreign-keys.ts';
import { NO_OTHER_IDENTITY } from './other-clouds.ts';
import type { RuleCheck, ServiceAccount } from './rule.ts';
import { findNamedTemplate } from './sidecar-equality.ts';
import { checkKeyLocations, checkEnvSource, checkVariable } from './static-keys.ts';

/**
 * Rule 7: no container has credentials of its own, by key or by another mechanism, and the service
 * account binds none to the pod. EKS Pod Identity uses no annotation: the final pod shows it, as
 * variables here and as an audience in rule 5.
 */
export const checkForeignCredentials: RuleCheck = (
  pod,
  { platform, phase, templates, namespace, serviceAccount, tasks },
) => {
  const { template } = findNamedTemplate(pod, templates);
  const consumers = readAdmittedConsumers(pod) ?? [];
  return [
    ...listOtherContainers(pod).flatMap(({ container, path, list }) => {
      const isConsumer = list !== 'ephemeralContainers' && consumers.includes(container.name);
      return [
        ...checkContainer({ pod, container, path }, isConsumer ? template : NO_INJECTED_ENV),
        ...(isConsumer && template !== undefined && isSigned(container.name, tasks)
          ? checkEndpoints(container, path, template)
          : []),
        ...checkForeignKeys(
          container,
          path,
          isConsumer ? tasks.filter((task) => task.containers.includes(container.name)) : [],
        ),
        ...(platform.pods.strictEnvironment && phase === 'CREATE' && isConsumer
          ? checkProfiles(container, path)
          : []),
      ];
    }),
    ...checkPodBindings(pod.metadata ?? {}),
    ...checkServiceAccountBindings(serviceAccount, namespace),
  ];
};

type BindingMembers = {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
};

const checkPodBindings = ({ annotations = {}, labels = {} }: BindingMembers) => [
  ...checkBindings(annotations, POD_BINDINGS),
  ...checkBindings(labels, POD_LABEL_BINDINGS, 'labels'),
];

/** Bindings that an update adds or changes: other products read them from running pods, too. */
export const checkAddedBindings: RuleCheck = (pod, { oldPod }) => {
  const [before, after] = [oldPod?.metadata ?? {}, pod.metadata ?? {}];
  return checkPodBindings({
    annotations: pickChanged(before.annotations, after.annotations),
    labels: pickChanged(before.labels, after.labels),
  });
};

const pickChanged = (
  before: Readonly<Record<string, string>> = {},
  after: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name] !== value));

/** What injection adds to a container that is not a consumer. */
const NO_INJECTED_ENV = { consumer: { env: [] } } as const;
type InjectedEnv = { readonly consumer: Pick<InjectionTemplate['consumer'], 'env' | 'signEnv'> };

type Subject = { readonly pod: Pod; readonly container: Container; readonly path: string };

/** With `pods.strictEnvironment`; otherwise a warning. */
const checkProfiles = ({ env }: Container, path: string): readonly FieldError[] =>
  (env ?? []).flatMap(({ name, value = '', valueFrom }, index) =>
    PROFILE_VARIABLES.includes(name) && (value !== '' || valueFrom !== undefined)
      ? [
          {
            path: `${path}/env/${index}`,
            expected:
              'no profile: botocore fails if no file defines it, and does not ask the sidecar (pods.strictEnvironment)',
            got: formatValue(name),
          },
        ]
      : [],
  );

const checkContainer = (
  { pod, container, path }: Subject,
  injected: InjectedEnv | undefined,
): readonly FieldError[] => [
  ...(container.env ?? []).flatMap((variable, index) => {
    const at = `${path}/env/${index}`;
    if (isInjectedVariable(variable, injected)) return [];
    return isReservedVariable(variable.name)
      ? [buildReservedVariableError(variable, at)]
      : checkVariable(
          variable,
          at,
          (file) => findSettingsConfigMap(pod, container, file) !== undefined,
        );
  }),
  ...(container.envFrom ?? []).flatMap((source, index) =>
    checkEnvSource(source, `${path}/envFrom/${index}`),
  ),
  ...checkKeyLocations(container, path),
];

const isReservedVariable = (name: string): boolean =>
  name.startsWith('AWS_CONTAINER_') ||
  name === CONSUMER_ENV.socket ||
  name === SIGN_CONSUMER_ENV.gatewaySocket;

const SET_BY_INJECTION: Expectation = {
  expected: 'no value here: injection sets it for every consumer',
  code: 'reserved_variable',
};

const buildReservedVariableError = ({ name }: EnvVar, path: string): FieldError => ({
  path,
  ...SET_BY_INJECTION,
  got: formatValue(name),
});

/** These variables decide where a consumer sends its loopback token: they are never exempted. */
export const isReservedVariableError = ({ code }: FieldError): boolean =>
  code === SET_BY_INJECTION.code;

/** Rule 2 refuses a pod with an unknown template, so the values do not matter here. */
const isInjectedVariable = (
  { name, value, valueFrom }: EnvVar,
  injected: InjectedEnv | undefined,
): boolean => {
  if (injected === undefined) return /^(AWS_CONTAINER_|VALETKEY_)/.test(name);
  const { env, signEnv = [] } = injected.consumer;
  return [...env, ...signEnv].some(
    (variable) => variable.name === name && variable.value === value && valueFrom === undefined,
  );
};

/** Annotations of other products that bind a service account, or a pod, to a cloud role. */
const SERVICE_ACCOUNT_BINDINGS = [
  'eks.amazonaws.com/role-arn',
  'iam.gke.io/gcp-service-account',
  'azure.workload.identity/client-id',
];
export const POD_BINDINGS = ['iam.amazonaws.com/role'];
/** AAD Pod Identity, which preceded workload identity, binds by a label. */
export const POD_LABEL_BINDINGS = ['aadpodidbinding'];
const OTHER_CLOUD_BINDINGS = [
  'iam.gke.io/gcp-service-account',
  'azure.workload.identity/client-id',
  ...POD_LABEL_BINDINGS,
];

const NO_OTHER_ROLE: Expectation = {
  expected:
    'no role by another mechanism: declare a task, and remove this annotation or use a service account without it',
};

const checkBindings = (
  mapping: Readonly<Record<string, string>>,
  names: readonly string[],
  member: 'annotations' | 'labels' = 'annotations',
): readonly FieldError[] =>
  names
    .filter((name) => Object.hasOwn(mapping, name))
    .map((name) => ({
      path: `/metadata/${member}${toJsonPointer(name)}`,
      ...(OTHER_CLOUD_BINDINGS.includes(name) ? NO_OTHER_IDENTITY : NO_OTHER_ROLE),
      got: formatValue(name),
    }));

const checkServiceAccountBindings = (
  account: ServiceAccount | undefined,
  namespace = '',
): readonly FieldError[] =>
  account === undefined
    ? []
    : checkBindings(account.annotations, SERVICE_ACCOUNT_BINDINGS).map((fault) => ({
        ...fault,
        source: `ServiceAccount ${namespace}/${account.name}`,
      }));
