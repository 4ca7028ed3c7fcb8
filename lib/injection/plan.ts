import { Buffer } from 'node:buffer';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { Platform } from '../contract/platform.ts';
import type { Container, EnvVar, Pod, Volume, VolumeMount } from '../contract/pod.ts';
import { MAX_ENV_BYTES, type Task } from '../contract/task.ts';
import { fail, succeed, type Result } from '../reading/fault.ts';
import { isApiTokenVolume, keepsApiToken } from './api-token.ts';
import { consumersOf, isInjected, otherContainers } from './consumers.ts';
import { containersOf, isNativeSidecar, type PlacedContainer } from './containers.ts';
import { describeFill, fillsFor, type Fill } from './fills.ts';
import type { Profile, PublishedProfile } from './profile.ts';
import { isGuaranteed } from './quality.ts';
import { levelOf } from './rules/levels.ts';
import { buildInjected, consumerMount, type Injected } from './sidecar.ts';

/** What is to be done to a pod, as values; {@link patchFor} writes it as operations. */
export type Plan = {
  /** Absent where the pod was injected before. */
  readonly injection?: Injection;
  readonly fills: readonly Fill[];
  /** What its author should know, a line each. */
  readonly warnings: readonly string[];
};

export type Injection = {
  readonly sidecar: Container;
  /** Place in `spec.initContainers`. */
  readonly index: number;
  readonly volumes: readonly Volume[];
  readonly consumers: readonly Equipment[];
  readonly label: Profile['label'];
  readonly removesApiToken: boolean;
};

/** What one consumer is given. */
export type Equipment = {
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
  readonly published: PublishedProfile;
  readonly namespace?: string;
}): Result<Plan> => {
  const { pod, tasks, platform, published, namespace } = request;
  const fills = fillsFor(pod, levelOf(namespace, platform.pods));
  const warnings = fills.map(describeFill);
  if (isInjected(pod)) return succeed({ fills, warnings });
  const consumers = consumersOf(pod, tasks);
  const injected = buildInjected(published, { consumers, tasks });
  const tooLong = (injected.sidecar.env ?? []).filter(
    (variable) => bytesOf(variable) > MAX_ENV_BYTES,
  );
  if (tooLong.length > 0) return fail(tooLong.map(tooLongFault));
  const injection = {
    ...withCpuLimit(injected, pod),
    index: placeFor(pod, consumers),
    consumers: equipmentFor(pod, consumers, published.profile),
    label: published.profile.label,
    removesApiToken: !keepsApiToken(pod, platform),
  };
  return succeed({ injection, fills, warnings: [...warnings, ...apiTokenWarning(pod, injection)] });
};

/** After the native sidecars that already lead, before everything that waits for ours. */
const placeFor = (pod: Pod, consumers: readonly string[]): number => {
  const init = containersOf(pod).filter(({ list }) => list === 'initContainers');
  const follower = init.findIndex(
    (placed) => !isNativeSidecar(placed) || consumers.includes(placed.container.name),
  );
  return follower === -1 ? init.length : follower;
};

const equipmentFor = (
  pod: Pod,
  consumers: readonly string[],
  profile: Profile,
): readonly Equipment[] =>
  otherContainers(pod)
    .filter(({ container }) => consumers.includes(container.name))
    .map((at) => ({
      at,
      mount: consumerMount(profile, consumers.indexOf(at.container.name)),
      env: envFor(at.container, profile),
    }));

/** An input that sets a variable of ours itself is left to rule 7, which refuses it. */
const envFor = ({ env }: Container, { consumer }: Profile): readonly EnvVar[] => {
  const names = new Set((env ?? []).map(({ name }) => name));
  const groups = [...consumer.env.map((variable) => [variable]), ...consumer.envDefaults];
  return groups.filter((group) => group.every(({ name }) => !names.has(name))).flat();
};

/** A container without a cpu limit would make a Guaranteed pod Burstable. */
const withCpuLimit = (injected: Injected, pod: Pod): Injected => {
  const { requests = {}, limits = {} } = injected.sidecar.resources ?? {};
  if (!isGuaranteed(pod) || requests['cpu'] === undefined) return injected;
  const resources = { requests, limits: { ...limits, cpu: requests['cpu'] } };
  return { ...injected, sidecar: { ...injected.sidecar, resources } };
};

const apiTokenWarning = (pod: Pod, { removesApiToken }: Injection): readonly string[] => {
  const isWished = pod.spec?.automountServiceAccountToken === true;
  const isMounted = (pod.spec?.volumes ?? []).some(isApiTokenVolume);
  if (!removesApiToken || !(isWished || isMounted)) return [];
  const how = isWished
    ? 'the platform does not allow automountServiceAccountToken: true in a pod with tasks'
    : 'a pod that needs it writes automountServiceAccountToken: true, where the platform allows it';
  return [`the API token is not mounted into this pod: ${how}`];
};

/** As the kernel counts: name, equals sign, value, terminator. */
const bytesOf = ({ name, value = '' }: EnvVar): number =>
  Buffer.byteLength(name) + Buffer.byteLength(value) + 2;

const tooLongFault = (variable: EnvVar) => ({
  path: variable.name === SIDECAR_ENV.tasks ? '/metadata/annotations' : variable.name,
  expected: `${variable.name} of at most ${MAX_ENV_BYTES} bytes`,
  got: `${bytesOf(variable)} bytes`,
});
