import { SIDECAR_CONTAINER, TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import { SIDECAR_ENV } from '../contract/environment.ts';
import type { Pod } from '../contract/pod.ts';
import type { Platform } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import { listContainers, type PlacedContainer } from './containers.ts';

/** Which containers a declaration may name, and which it means when it names none. */
export type ConsumerNames = {
  /** What a task without `containers` means: consumers by default. */
  readonly containers: readonly string[];
  /** What a task may name besides: init containers, native sidecars, ignored containers. */
  readonly addressable: readonly string[];
};

/** Whether the pod declares a task. */
export const hasTaskDeclarations = (pod: Pod): boolean =>
  Object.keys(pod.metadata?.annotations ?? {}).some((key) =>
    key.startsWith(TASK_ANNOTATION_PREFIX),
  );

/**
 * The names that the pod's declarations are read against. Once injected, consumers are fixed: a
 * container that another mutator adds afterwards is none.
 */
export const findConsumerNames = (pod: Pod, platform: Platform): ConsumerNames => {
  const others = listOtherContainers(pod).filter(({ list }) => list !== 'ephemeralContainers');
  const byDefault = others
    .filter(({ list }) => list === 'containers')
    .map(({ container }) => container.name)
    .filter((name) => !platform.pods.ignoredContainers.includes(name));
  // A sidecar that was given none is none of ours: rule 2 says so, where tasks can be read.
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

/** Every container that bears our name, wherever it stands. */
export const listSidecars = (pod: Pod): readonly PlacedContainer[] =>
  listContainers(pod).filter(({ container }) => container.name === SIDECAR_CONTAINER);

/**
 * Whether the pod already holds something by the sidecar's name where we put it. Not a proof that
 * it is ours: rule 2 is.
 */
export const isInjected = (pod: Pod): boolean => findInjectedSidecar(pod) !== undefined;

const findInjectedSidecar = (pod: Pod): PlacedContainer | undefined =>
  listSidecars(pod).find(({ list }) => list === 'initContainers');

/** SHA-256 of the injection template that the pod's sidecar names. */
export const findTemplateHash = (pod: Pod): string | undefined =>
  findInjectedSidecar(pod)?.container.env?.find(
    ({ name }) => name === SIDECAR_ENV.injectionTemplate,
  )?.value;

/** What the pod's sidecar was given, as it stands there. */
export type TasksEnvValue = {
  /** Empty: it was given none. */
  readonly text: string;
  /** JSON pointer to it. */
  readonly path: string;
};

/**
 * The tasks that the pod's sidecar was given. What bears its name elsewhere than where we put it is
 * given none.
 *
 * @returns nothing without a sidecar
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
 * The consumers that the pod's sidecar was given, in the order of their volumes.
 *
 * @returns nothing without a sidecar; an empty list when what it was given cannot be read
 */
export const readAdmittedConsumers = (pod: Pod): readonly string[] | undefined => {
  const given = findTasksEnvValue(pod);
  return given && parseConsumers(given);
};

const parseConsumers = ({ text }: TasksEnvValue): readonly string[] => {
  const consumers = (parseJson(text) as { consumers?: unknown } | undefined)?.consumers;
  const isList = Array.isArray(consumers) && consumers.every((name) => typeof name === 'string');
  return isList ? consumers : [];
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
};
