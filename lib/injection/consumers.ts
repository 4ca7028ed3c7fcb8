import { SIDECAR_CONTAINER, TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { Pod } from '../contract/pod.ts';
import type { Platform } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import { parseJson } from '../schema/json.ts';
import { listContainers, type PlacedContainer } from './containers.ts';

/** The containers that a declaration may name, and those it gets if it names none. */
export type ConsumerNames = {
  /** The consumers of a task without `containers`. */
  readonly containers: readonly string[];
  /** Others that a task may name: init containers, native sidecars, ignored containers. */
  readonly addressable: readonly string[];
};

/** Whether the pod declares a task. */
export const hasTaskDeclarations = (pod: Pod): boolean =>
  Object.keys(pod.metadata?.annotations ?? {}).some((key) =>
    key.startsWith(TASK_ANNOTATION_PREFIX),
  );

/**
 * Finds the containers that the pod's declarations refer to. The first injection fixes the consumers:
 * a container that another mutator adds later is not one.
 */
export const findConsumerNames = (pod: Pod, platform: Platform): ConsumerNames => {
  const others = listOtherContainers(pod).filter(({ list }) => list !== 'ephemeralContainers');
  const byDefault = others
    .filter(({ list }) => list === 'containers')
    .map(({ container }) => container.name)
    .filter((name) => !platform.pods.ignoredContainers.includes(name));
  // Rule 2 refuses a sidecar without consumers, so the defaults do no harm here.
  const fixed = readAdmittedConsumers(pod) ?? [];
  const containers =
    fixed.length === 0 ? byDefault : byDefault.filter((name) => fixed.includes(name));
  const names = others.map(({ container }) => container.name);
  return { containers, addressable: names.filter((name) => !containers.includes(name)) };
};

/** The consumers of these tasks, each once, in the order in which the pod lists its containers. */
export const listConsumers = (pod: Pod, tasks: readonly Task[]): readonly string[] => {
  const named = new Set(tasks.flatMap((task) => task.containers));
  const names = listOtherContainers(pod).map(({ container }) => container.name);
  return [...new Set(names)].filter((name) => named.has(name));
};

/** Every container but the sidecar. */
export const listOtherContainers = (pod: Pod): readonly PlacedContainer[] =>
  listContainers(pod).filter(({ container }) => container.name !== SIDECAR_CONTAINER);

/** Every container with the sidecar's name, in any list. */
export const listSidecars = (pod: Pod): readonly PlacedContainer[] =>
  listContainers(pod).filter(({ container }) => container.name === SIDECAR_CONTAINER);

/**
 * Whether an init container with the sidecar's name exists. Only rule 2 proves that injection added
 * it.
 */
export const isInjected = (pod: Pod): boolean => findInjectedSidecar(pod) !== undefined;

const findInjectedSidecar = (pod: Pod): PlacedContainer | undefined =>
  listSidecars(pod).find(({ list }) => list === 'initContainers');

/** SHA-256 of the injection template that the pod's sidecar names. */
export const findTemplateHash = (pod: Pod): string | undefined =>
  findInjectedSidecar(pod)?.container.env?.find(
    ({ name }) => name === SIDECAR_ENV.injectionTemplate,
  )?.value;

/** The admitted tasks in the environment of the pod's sidecar. */
export type TasksEnvValue = {
  /** Empty: the variable is not set. */
  readonly text: string;
  /** JSON pointer to the value. */
  readonly path: string;
};

/**
 * Finds the admitted tasks in the environment of the pod's sidecar. Containers with its name in other
 * lists are ignored.
 *
 * @returns undefined without a sidecar
 */
export const findTasksEnvValue = (pod: Pod): TasksEnvValue | undefined => {
  const sidecar = findInjectedSidecar(pod);
  if (sidecar === undefined) return undefined;
  // A list may be null.
  const env = sidecar.container.env ?? [];
  const index = env.findIndex(({ name }) => name === SIDECAR_ENV.tasks);
  const path = `${sidecar.path}/env/${index === -1 ? '-' : index}/value`;
  return { text: env[index]?.value ?? '', path };
};

/**
 * Reads the admitted consumers from the environment of the pod's sidecar, in the order of their
 * volumes.
 *
 * @returns undefined without a sidecar; an empty list if the value cannot be parsed
 */
export const readAdmittedConsumers = (pod: Pod): readonly string[] | undefined => {
  const value = findTasksEnvValue(pod);
  return value && parseConsumers(value);
};

const parseConsumers = ({ text }: TasksEnvValue): readonly string[] => {
  const consumers = (parseJson(text) as { consumers?: unknown } | undefined)?.consumers;
  const isList = Array.isArray(consumers) && consumers.every((name) => typeof name === 'string');
  return isList ? consumers : [];
};
