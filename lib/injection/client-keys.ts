import { CLIENT_KEY_ENV } from '../contract/environment.ts';
import {
  CONSUMER_MOUNT_PATH,
  FIXED_KEY_FIELD,
  LOOPBACK_TOKEN_FILE_NAME,
} from '../contract/paths.ts';
import type { Container, EnvVar } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import { getBaseUrlVariable, listClientTasks } from './client-environment.ts';

/** Whether the clients of these tasks look for a key in their environment. */
export const hasClientKeys = (tasks: readonly Task[]): boolean =>
  tasks.some(({ client }) => client !== undefined && CLIENT_KEY_ENV[client] !== undefined);

/** A variable from which the client of a task reads its key, and which the container does not set. */
type UnsetKey = { readonly task: string; readonly name: string };

/** A container that sets the base URL or the key of a client itself keeps both. */
const listUnsetKeys = (
  { name: consumer, env }: Container,
  tasks: readonly Task[],
): readonly UnsetKey[] => {
  const names = new Set((env ?? []).map(({ name }) => name));
  return listClientTasks(consumer, tasks).flatMap(({ name: task, client }) => {
    const key = CLIENT_KEY_ENV[client];
    const isUnset = [key, getBaseUrlVariable(client)].every(
      (name) => name === undefined || !names.has(name),
    );
    return key !== undefined && isUnset ? [{ task, name: key }] : [];
  });
};

/** The fixed key: variables of clients that the kubelet sets to the UID of the pod. */
export const buildFixedKeyEnv = (container: Container, tasks: readonly Task[]): readonly EnvVar[] =>
  listUnsetKeys(container, tasks).map(({ name }) => ({
    name,
    valueFrom: { fieldRef: { fieldPath: FIXED_KEY_FIELD } },
  }));

/**
 * One line for each key that is left to the author of the container. A command that names the file of the loopback
 * token reads it.
 *
 * @param obstacle why the fixed key is off
 */
export const buildKeyWarnings = (
  container: Container,
  tasks: readonly Task[],
  obstacle: string,
): readonly string[] =>
  [...(container.command ?? []), ...(container.args ?? [])].some((word) =>
    word.includes(TOKEN_PATH),
  )
    ? []
    : listUnsetKeys(container, tasks).map(
        ({ task, name }) =>
          `container ${container.name}: ${name} is not set for task ${task}: ${obstacle}; start its client with ${name}="$(cat ${TOKEN_PATH})" (docs/upstreams.md)`,
      );

const TOKEN_PATH = `${CONSUMER_MOUNT_PATH}/${LOOPBACK_TOKEN_FILE_NAME}`;
