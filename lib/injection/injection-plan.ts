import { Buffer } from 'node:buffer';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { Platform } from '../contract/platform.ts';
import type { Container, EnvVar, Pod, Volume, VolumeMount } from '../contract/pod.ts';
import { MAX_ENV_BYTES, type AdmittedTasks, type Task } from '../contract/task.ts';
import { fail, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import {
  findUnmetTokenNeeds,
  isApiTokenContainer,
  isApiTokenKept,
  isApiTokenVolume,
} from './api-token.ts';
import type { FindUpstreamUrl } from './client-environment.ts';
import { buildFixedKeyEnv, buildKeyWarnings, hasClientKeys } from './client-keys.ts';
import { listConsumers, isInjected, listOtherContainers } from './consumers.ts';
import { listContainers, isNativeSidecar, type PlacedContainer } from './containers.ts';
import {
  buildEnvironmentWarnings,
  planProxyBypass,
  type ReplacedValue,
} from './consumer-environment.ts';
import { findFixedKeyObstacle } from './fixed-key.ts';
import {
  applySecurityDefaults,
  formatSecurityDefaults,
  buildSecurityDefaults,
  type SecurityDefaults,
} from './security-defaults.ts';
import type { InjectionTemplate, PublishedTemplate } from './injection-template.ts';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import { buildPodResourceOps } from './pod-resources.ts';
import { isGuaranteed } from './qos-class.ts';
import { getLevel } from './rules/levels.ts';
import {
  buildInjectedFields,
  buildConsumerMount,
  isSigned,
  isTokenSent,
  listConsumerEnvGroups,
  type InjectedFields,
} from './injected-fields.ts';

/** What to change in a pod. `buildPatch` turns it into operations. */
export type InjectionPlan = {
  /** Absent: the pod is injected already. */
  readonly injection?: Injection;
  readonly securityDefaults: readonly SecurityDefaults[];
  /** Messages for the author, one line each. */
  readonly warnings: readonly string[];
};

export type Injection = {
  readonly sidecar: Container;
  /** Index in `spec.initContainers`. */
  readonly index: number;
  readonly volumes: readonly Volume[];
  readonly consumers: readonly ConsumerAdditions[];
  readonly label: InjectionTemplate['label'];
  readonly isApiTokenRemoved: boolean;
  /** Which containers keep the API token where the others lose it. */
  readonly isApiTokenContainer: (placed: PlacedContainer) => boolean;
  /** Raises the resources of the pod as a whole. */
  readonly podResources: readonly JsonPatchOp[];
  /** Names of Secrets to add to `spec.imagePullSecrets`. */
  readonly pullSecrets: readonly string[];
};

/** What injection adds to one consumer. */
export type ConsumerAdditions = {
  readonly at: PlacedContainer;
  readonly mount: VolumeMount;
  readonly env: readonly EnvVar[];
  /** Values of variables that the container sets itself. */
  readonly replaced: readonly ReplacedValue[];
};

/**
 * Plans the injection of a pod that declares these tasks. A pod that is injected already gets only
 * security defaults, for containers that were added since.
 *
 * @param request.tasks read from the pod's annotations
 * @param request.namespace selects the level of rule 4; absent: `restricted`
 * @param request.user who creates the pod
 * @param request.findUpstreamUrl for clients that need more than the base URL of their task
 * @returns the plan, or faults if the tasks do not fit into the sidecar's environment, or if a
 *   container would lose an API token that it needs
 */
export const planInjection = (request: {
  readonly pod: Pod;
  readonly tasks: readonly Task[];
  readonly platform: Platform;
  readonly published: PublishedTemplate;
  readonly namespace?: string;
  readonly user?: string;
  readonly findUpstreamUrl?: FindUpstreamUrl | undefined;
}): Result<InjectionPlan> => {
  const { pod, tasks, platform, published, namespace, user = '', findUpstreamUrl } = request;
  const securityDefaults = buildSecurityDefaults(pod, getLevel(namespace, platform.pods));
  const warnings = securityDefaults.map(formatSecurityDefaults);
  if (isInjected(pod)) return succeed({ securityDefaults, warnings });
  const consumers = listConsumers(pod, tasks);
  const injected = buildInjectedFields(published, { consumers, tasks });
  const isKept = (placed: PlacedContainer): boolean =>
    isApiTokenContainer(placed, { platform, consumers, createdBy: user });
  const isApiTokenRemoved = !isApiTokenKept(pod, platform);
  const faults = [
    ...findTooLongVariables(injected),
    ...(isApiTokenRemoved ? findUnmetTokenNeeds(pod, isKept) : []),
  ];
  if (faults.length > 0) return fail(faults);
  const keyObstacle = hasClientKeys(tasks)
    ? findFixedKeyObstacle(applySecurityDefaults(pod, securityDefaults), {
        platform,
        namespace,
        consumers,
      })
    : undefined;
  const injection = {
    ...addCpuLimit(injected, pod),
    index: findSidecarIndex(pod, consumers),
    consumers: buildConsumerAdditions(
      pod,
      { consumers, tasks },
      { ...published, findUpstreamUrl, isKeyFixed: keyObstacle === undefined },
    ),
    label: published.template.label,
    isApiTokenRemoved,
    isApiTokenContainer: isKept,
    podResources: buildPodResourceOps(pod, injected.sidecar),
    pullSecrets: listMissingPullSecrets(pod, platform),
  };
  return succeed({
    injection,
    securityDefaults,
    warnings: [
      ...warnings,
      ...buildApiTokenWarnings(pod, injection),
      ...injection.consumers.flatMap(({ at }) => [
        ...[planProxyBypass(at.container).warning ?? []].flat(),
        ...buildEnvironmentWarnings(pod, at, {
          isSigned: isSigned(at.container.name, tasks),
          isTokenSent: isTokenSent(at.container.name, tasks),
        }),
        ...(keyObstacle === undefined ? [] : buildKeyWarnings(at.container, tasks, keyObstacle)),
      ]),
      ...buildVaultWarnings(pod, injection),
      ...buildBudgetWarnings(tasks),
    ],
  });
};

const findTooLongVariables = ({ sidecar }: InjectedFields): readonly FieldError[] =>
  (sidecar.env ?? [])
    .filter((variable) => countEnvBytes(variable) > MAX_ENV_BYTES)
    .map(buildTooLongError);

/** The ServiceAccount plugin has added those of the service account already. */
const listMissingPullSecrets = (pod: Pod, { sidecar }: Platform): readonly string[] =>
  (sidecar.imagePullSecrets ?? []).filter(
    (secret) => !(pod.spec?.imagePullSecrets ?? []).some(({ name }) => name === secret),
  );

/** After the leading native sidecars, before every container that needs credentials. */
const findSidecarIndex = (pod: Pod, consumers: readonly string[]): number => {
  const init = listContainers(pod).filter(({ list }) => list === 'initContainers');
  const follower = init.findIndex(
    (placed) => !isNativeSidecar(placed) || consumers.includes(placed.container.name),
  );
  return follower === -1 ? init.length : follower;
};

const buildConsumerAdditions = (
  pod: Pod,
  { consumers, tasks }: AdmittedTasks,
  {
    template,
    findUpstreamUrl,
    isKeyFixed,
  }: Pick<PublishedTemplate, 'template'> & {
    findUpstreamUrl: FindUpstreamUrl | undefined;
    isKeyFixed: boolean;
  },
): readonly ConsumerAdditions[] =>
  listOtherContainers(pod)
    .filter(({ container }) => consumers.includes(container.name))
    .map((at) => {
      const { added, replaced } = planProxyBypass(at.container);
      return {
        at,
        mount: buildConsumerMount(template, consumers.indexOf(at.container.name)),
        env: [
          ...buildConsumerEnv(
            at.container,
            listConsumerEnvGroups(template, at.container.name, tasks, findUpstreamUrl),
          ),
          ...(isKeyFixed ? buildFixedKeyEnv(at.container, tasks) : []),
          ...added,
        ],
        replaced,
      };
    });

/** Skips variables that the container sets itself; rule 7 refuses them. */
const buildConsumerEnv = (
  { env }: Container,
  groups: readonly (readonly EnvVar[])[],
): readonly EnvVar[] => {
  const names = new Set((env ?? []).map(({ name }) => name));
  return groups.filter((group) => group.every(({ name }) => !names.has(name))).flat();
};

/** A container without a cpu limit would make a Guaranteed pod Burstable. */
const addCpuLimit = (injected: InjectedFields, pod: Pod): InjectedFields => {
  const { requests = {}, limits = {} } = injected.sidecar.resources ?? {};
  if (!isGuaranteed(pod) || requests['cpu'] === undefined) return injected;
  const resources = { requests, limits: { ...limits, cpu: requests['cpu'] } };
  return { ...injected, sidecar: { ...injected.sidecar, resources } };
};

const buildApiTokenWarnings = (pod: Pod, { isApiTokenRemoved }: Injection): readonly string[] => {
  const isRequested = pod.spec?.automountServiceAccountToken === true;
  const isMounted = (pod.spec?.volumes ?? []).some(isApiTokenVolume);
  if (!isApiTokenRemoved || !(isRequested || isMounted)) return [];
  const reason = isRequested
    ? 'the platform does not allow automountServiceAccountToken: true in a pod with tasks'
    : 'a pod that needs it sets automountServiceAccountToken: true, if the platform allows it';
  return [`the API token is not mounted into this pod: ${reason}`];
};

const VAULT = 'vault.hashicorp.com';

/** The injector of Vault refuses a pod in which it finds no token. */
const buildVaultWarnings = (pod: Pod, { isApiTokenRemoved }: Injection): readonly string[] => {
  const annotations = pod.metadata?.annotations ?? {};
  const volume = annotations[`${VAULT}/agent-service-account-token-volume-name`];
  const isInjecting = annotations[`${VAULT}/agent-inject`] === 'true';
  if (!isApiTokenRemoved || !isInjecting || volume !== undefined) return [];
  return [
    `Vault's injector will find no API token in this pod: project one of audience vault and name its volume in ${VAULT}/agent-service-account-token-volume-name (docs/mutators.md)`,
  ];
};

/** The gateway counts; of keys that leave the sidecar no call is seen. */
const buildBudgetWarnings = (tasks: readonly Task[]): readonly string[] =>
  tasks
    .filter(({ budget, delivery }) => budget !== undefined && delivery === 'vend')
    .map(
      ({ name }) =>
        `task ${name}: its budget is not enforced with delivery: vend, only its lifetime limits it; declare delivery: sign`,
    );

/** As the kernel counts: name, equals sign, value, terminating NUL. */
const countEnvBytes = ({ name, value = '' }: EnvVar): number =>
  Buffer.byteLength(name) + Buffer.byteLength(value) + 2;

const buildTooLongError = (variable: EnvVar) => ({
  path: variable.name === SIDECAR_ENV.tasks ? '/metadata/annotations' : variable.name,
  expected: `${variable.name} of at most ${MAX_ENV_BYTES} bytes`,
  got: `${countEnvBytes(variable)} bytes`,
});
