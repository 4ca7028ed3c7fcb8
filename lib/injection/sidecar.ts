import { SIDECAR_ENV } from '../contract/environment.ts';
import { CONSUMER_VOLUME_PREFIX } from '../contract/names.ts';
import type { Container, Volume, VolumeMount } from '../contract/pod.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import { environmentJson, type Profile } from './profile.ts';

/** What is ours in an injected pod, but for what consumers are given. */
export type Injected = {
  readonly sidecar: Container;
  /** The token's first, then one for each consumer. */
  readonly volumes: readonly Volume[];
};

/**
 * What a pod with these consumers and tasks holds when it was injected from this profile. The same
 * function injects and judges, so that both cannot disagree.
 */
export const buildInjected = (
  { hash, profile }: { readonly hash: string; readonly profile: Profile },
  admitted: AdmittedTasks,
): Injected => {
  const { sidecar, tokenVolume, consumerVolume } = profile;
  return {
    sidecar: {
      ...sidecar,
      env: [
        ...(sidecar.env ?? []),
        { name: SIDECAR_ENV.profile, value: hash },
        { name: SIDECAR_ENV.tasks, value: environmentJson(admitted) },
      ],
      volumeMounts: [...(sidecar.volumeMounts ?? []), ...sidecarMounts(profile, admitted)],
    },
    volumes: [
      tokenVolume,
      ...admitted.consumers.map((_, index) => ({
        name: consumerVolumeName(index),
        ...consumerVolume,
      })),
    ],
  };
};

/** The consumer's own mount of its volume. */
export const consumerMount = (profile: Profile, index: number): VolumeMount => ({
  name: consumerVolumeName(index),
  ...profile.consumer.mount,
});

/** Name of the volume of the consumer at this place in {@link AdmittedTasks.consumers}. */
export const consumerVolumeName = (index: number): string => `${CONSUMER_VOLUME_PREFIX}${index}`;

const sidecarMounts = (profile: Profile, { consumers }: AdmittedTasks): readonly VolumeMount[] =>
  consumers.map((consumer, index) => ({
    name: consumerVolumeName(index),
    mountPath: `${profile.consumersFolder}/${consumer}`,
  }));
