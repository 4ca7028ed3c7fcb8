import { Buffer } from 'node:buffer';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { Platform } from '../contract/platform.ts';
import type { Container, EnvVar, Pod, Volume, VolumeMount } from '../contract/pod.ts';
import { MAX_ENV_BYTES, type Task } from '../contract/task.ts';
import { fail, succeed, type Result } from '../schema/field-error.ts';
import { isApiTokenVolume, isApiTokenKept } from './api-token.ts';
import { listConsumers, isInjected, listOtherContainers } from './consumers.ts';
import { listContainers, isNativeSidecar, type PlacedContainer } from './containers.ts';
import {
  buildEnvironmentWarnings,
  planProxyBypass,
  type ReplacedValue,
} from './consumer-environment.ts';
import {
  formatSecurityDefaults,
  buildSecurityDefaults,
  type SecurityDefaults,
} from './security-defaults.ts';
import type { InjectionTemplate, PublishedTemplate } from './injection-template.ts';
import { isGuaranteed } from './qos-class.ts';
import { getLevel } from './rules/levels.ts';
import { buildInjectedFields, buildConsumerMount, type InjectedFields } from './injected-fields.ts';

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
 * @returns the plan, or a fault if the tasks do not fit into the sidecar's environment
 */
export const planInjection = (request: {
  readonly pod: Pod;
  readonly tasks: readonly Task[];
  readonly platform: Platform;
  readonly published: PublishedTemplate;
  readonly namespace?: string;
}): Result<InjectionPlan> => {
  const { pod, tasks, platform, published, namespace } = request;
  const securityDefaults = buildSecurityDefaults(pod, getLevel(namespace, platform.pods));
  const warnings = securityDefaults.map(formatSecurityDefaults);
  if (isInjected(pod)) return succeed({ securityDefaults, warnings });
  const consumers = listConsumers(pod, tasks);
  const injected = buildInjectedFields(published, { consumers, tasks });
  const tooLong = (injected.sidecar.env ?? []).filter(
    (variable) => countEnvBytes(variable) > MAX_ENV_BYTES,
  );
  if (tooLong.length > 0) return fail(tooLong.map(buildTooLongError));
  const injection = {
    ...addCpuLimit(injected, pod),
    index: findSidecarIndex(pod, consumers),
    consumers: buildConsumerAdditions(pod, consumers, published.template),
    label: published.template.label,
    isApiTokenRemoved: !isApiTokenKept(pod, platform),
  };
  return succeed({
    injection,
    securityDefaults,
    warnings: [
      ...warnings,
      ...buildApiTokenWarnings(pod, injection),
      ...injection.consumers.flatMap(({ at }) => [
        ...[planProxyBypass(at.container).warning ?? []].flat(),
        ...buildEnvironmentWarnings(pod, at),
      ]),
    ],
  });
};

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
  consumers: readonly string[],
  template: InjectionTemplate,
): readonly ConsumerAdditions[] =>
  listOtherContainers(pod)
    .filter(({ container }) => consumers.includes(container.name))
    .map((at) => {
      const { added, replaced } = planProxyBypass(at.container);
      return {
        at,
        mount: buildConsumerMount(template, consumers.indexOf(at.container.name)),
        env: [...buildConsumerEnv(at.container, template), ...added],
        replaced,
      };
    });

/** Skips variables that the container sets itself; rule 7 refuses them. */
const buildConsumerEnv = (
  { env }: Container,
  { consumer }: InjectionTemplate,
): readonly EnvVar[] => {
  const names = new Set((env ?? []).map(({ name }) => name));
  const groups = [...consumer.env.map((variable) => [variable]), ...consumer.envDefaults];
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

/** As the kernel counts: name, equals sign, value, terminating NUL. */
const countEnvBytes = ({ name, value = '' }: EnvVar): number =>
  Buffer.byteLength(name) + Buffer.byteLength(value) + 2;

const buildTooLongError = (variable: EnvVar) => ({
  path: variable.name === SIDECAR_ENV.tasks ? '/metadata/annotations' : variable.name,
  expected: `${variable.name} of at most ${MAX_ENV_BYTES} bytes`,
  got: `${countEnvBytes(variable)} bytes`,
});
