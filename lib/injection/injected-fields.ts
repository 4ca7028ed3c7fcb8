import { SIDECAR_ENV } from '../contract/environment.ts';
import { CONSUMER_VOLUME_PREFIX } from '../contract/names.ts';
import type { Container, Volume, VolumeMount } from '../contract/pod.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import { toEnvironmentJson, type InjectionTemplate } from './injection-template.ts';

/** What is ours in an injected pod, but for what consumers are given. */
export type InjectedFields = {
  readonly sidecar: Container;
  /** The token's first, then one for each consumer. */
  readonly volumes: readonly Volume[];
};

/**
 * What a pod with these consumers and tasks holds when it was injected from this profile. The same
 * function injects and judges, so that both cannot disagree.
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
        { name: SIDECAR_ENV.tasks, value: toEnvironmentJson(admitted) },
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

/** The consumer's own mount of its volume. */
export const buildConsumerMount = (profile: InjectionTemplate, index: number): VolumeMount => ({
  name: formatConsumerVolumeName(index),
  ...profile.consumer.mount,
});

/** Name of the volume of the consumer at this place in {@link AdmittedTasks.consumers}. */
export const formatConsumerVolumeName = (index: number): string =>
  `${CONSUMER_VOLUME_PREFIX}${index}`;

const buildSidecarMounts = (
  profile: InjectionTemplate,
  { consumers }: AdmittedTasks,
): readonly VolumeMount[] =>
  consumers.map((consumer, index) => ({
    name: formatConsumerVolumeName(index),
    mountPath: `${profile.consumersFolder}/${consumer}`,
  }));
