import {
  listClientEnv,
  listDatabaseEnvGroups,
  type FindUpstreamUrl,
} from './client-environment.ts';
import { SIGN_CONSUMER_ENV } from '../contract/environment.ts';
import { SIDECAR_ENV } from '../contract/environment.ts';
import { CONSUMER_VOLUME_PREFIX } from '../contract/names.ts';
import type { Container, EnvVar, Volume, VolumeMount } from '../contract/pod.ts';
import type { AdmittedTasks, Task } from '../contract/task.ts';
import { toEnvironmentJson, type InjectionTemplate } from './injection-template.ts';

/** What injection adds to a pod, without what it adds to consumers. */
export type InjectedFields = {
  readonly sidecar: Container;
  /** The token volume, then one volume for each consumer. */
  readonly volumes: readonly Volume[];
};

/**
 * Builds what a pod with these consumers and tasks contains after injection from this template.
 * Injection and rule 2 both use this function, so they cannot differ.
 */
export const buildInjectedFields = (
  { hash, template }: { readonly hash: string; readonly template: InjectionTemplate },
  admitted: AdmittedTasks,
): InjectedFields => {
  const { sidecar, tokenVolume, consumerVolume } = template;
  return {
    sidecar: {
      ...sidecar,
      env: [
        ...(sidecar.env ?? []),
        { name: SIDECAR_ENV.injectionTemplate, value: hash },
        { name: SIDECAR_ENV.tasks, value: toTasksJson(admitted) },
      ],
      volumeMounts: [...(sidecar.volumeMounts ?? []), ...buildSidecarMounts(template, admitted)],
    },
    volumes: [
      tokenVolume,
      ...admitted.consumers.map((_, index) => ({
        name: formatConsumerVolumeName(index),
        ...consumerVolume,
      })),
    ],
  };
};

/**
 * Canonical JSON of each list of tasks. The key is the list itself, which nothing changes, so an entry
 * cannot become stale; it lives as long as the list, which the webhook keeps for 256 declarations.
 */
const tasksJson = new WeakMap<readonly Task[], string>();

/** Canonical JSON of consumers and tasks. All pods of a workload share the list of their tasks. */
const toTasksJson = ({ consumers, tasks }: AdmittedTasks): string => {
  const text = tasksJson.get(tasks) ?? toEnvironmentJson(tasks);
  tasksJson.set(tasks, text);
  return `{"consumers":${toEnvironmentJson(consumers)},"tasks":${text}}`;
};

/** The consumer's mount of its own volume. */
export const buildConsumerMount = (template: InjectionTemplate, index: number): VolumeMount => ({
  name: formatConsumerVolumeName(index),
  ...template.consumer.mount,
});

/**
 * The variables of a consumer with these tasks. Each group is added only if the consumer sets none of its
 * names. Rule 7 refuses other values, except those of defaults.
 */
export const listConsumerEnvGroups = (
  template: InjectionTemplate,
  consumerName: string,
  tasks: readonly Task[],
  findUpstreamUrl: FindUpstreamUrl = () => undefined,
): readonly (readonly EnvVar[])[] => [
  ...[...template.consumer.env, ...listGatewayEnv(template, consumerName, tasks)].map(
    (variable) => [variable],
  ),
  ...template.consumer.envDefaults,
  ...listClientEnv(template, consumerName, { tasks, findUpstreamUrl }),
  ...listDatabaseEnvGroups(consumerName, tasks),
];

/** Whether the gateway signs the AWS requests of this consumer. */
export const isSigned = (consumerName: string, tasks: readonly Task[]): boolean =>
  tasks.some(
    ({ provider, delivery, containers }) =>
      provider === 'aws' && delivery === 'sign' && containers.includes(consumerName),
  );

/** Whether clients of this consumer send its loopback token to the gateway, over HTTP. */
export const isTokenSent = (consumerName: string, tasks: readonly Task[]): boolean =>
  tasks.some(
    ({ provider, containers }) => provider === 'http' && containers.includes(consumerName),
  );

/** A consumer without signed AWS requests needs only the socket of the gateway. */
const listGatewayEnv = (
  { consumer: { signEnv = [] } }: InjectionTemplate,
  consumerName: string,
  tasks: readonly Task[],
): readonly EnvVar[] => {
  if (isSigned(consumerName, tasks)) return signEnv;
  const hasGateway = tasks.some(
    ({ provider, containers }) => provider !== 'aws' && containers.includes(consumerName),
  );
  return hasGateway ? signEnv.filter(({ name }) => name === SIGN_CONSUMER_ENV.gatewaySocket) : [];
};

/** Name of the volume of the consumer with this index in {@link AdmittedTasks.consumers}. */
export const formatConsumerVolumeName = (index: number): string =>
  `${CONSUMER_VOLUME_PREFIX}${index}`;

const buildSidecarMounts = (
  template: InjectionTemplate,
  { consumers }: AdmittedTasks,
): readonly VolumeMount[] =>
  consumers.map((consumer, index) => ({
    name: formatConsumerVolumeName(index),
    mountPath: `${template.consumersFolder}/${consumer}`,
  }));
