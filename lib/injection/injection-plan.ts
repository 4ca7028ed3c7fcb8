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
  formatSecurityDefaults,
  buildSecurityDefaults,
  type SecurityDefaults,
} from './security-defaults.ts';
import type { InjectionTemplate, PublishedTemplate } from './injection-template.ts';
import { isGuaranteed } from './qos-class.ts';
import { getLevel } from './rules/levels.ts';
import { buildInjectedFields, buildConsumerMount, type InjectedFields } from './injected-fields.ts';

/** What is to be done to a pod, as values; {@link buildPatch} writes it as operations. */
export type InjectionPlan = {
  /** Absent where the pod was injected before. */
  readonly injection?: Injection;
  readonly securityDefaults: readonly SecurityDefaults[];
  /** What its author should know, a line each. */
  readonly warnings: readonly string[];
};

export type Injection = {
  readonly sidecar: Container;
  /** Place in `spec.initContainers`. */
  readonly index: number;
  readonly volumes: readonly Volume[];
  readonly consumers: readonly ConsumerAdditions[];
  readonly label: InjectionTemplate['label'];
  readonly isApiTokenRemoved: boolean;
};

/** What one consumer is given. */
export type ConsumerAdditions = {
  readonly at: PlacedContainer;
  readonly mount: VolumeMount;
  readonly env: readonly EnvVar[];
};

/**
 * Decides what becomes of a pod that declares these tasks. A pod that was injected before gets
 * fills for containers added since, and nothing else.
 *
 * @param request.tasks read from the pod's own annotations
 * @param request.namespace decides the level of rule 4; not known: `restricted`
 * @returns the plan, or a fault: the tasks do not fit into the sidecar's environment
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
    warnings: [...warnings, ...buildApiTokenWarnings(pod, injection)],
  });
};

/** After the native sidecars that already lead, before everything that waits for ours. */
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
  profile: InjectionTemplate,
): readonly ConsumerAdditions[] =>
  listOtherContainers(pod)
    .filter(({ container }) => consumers.includes(container.name))
    .map((at) => ({
      at,
      mount: buildConsumerMount(profile, consumers.indexOf(at.container.name)),
      env: buildConsumerEnv(at.container, profile),
    }));

/** An input that sets a variable of ours itself is left to rule 7, which refuses it. */
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
  const how = isRequested
    ? 'the platform does not allow automountServiceAccountToken: true in a pod with tasks'
    : 'a pod that needs it writes automountServiceAccountToken: true, where the platform allows it';
  return [`the API token is not mounted into this pod: ${how}`];
};

/** As the kernel counts: name, equals sign, value, terminator. */
const countEnvBytes = ({ name, value = '' }: EnvVar): number =>
  Buffer.byteLength(name) + Buffer.byteLength(value) + 2;

const buildTooLongError = (variable: EnvVar) => ({
  path: variable.name === SIDECAR_ENV.tasks ? '/metadata/annotations' : variable.name,
  expected: `${variable.name} of at most ${MAX_ENV_BYTES} bytes`,
  got: `${countEnvBytes(variable)} bytes`,
});
