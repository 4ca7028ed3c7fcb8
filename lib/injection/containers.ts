import type { Container, Pod } from '../contract/pod.ts';

const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;
type ContainerList = (typeof CONTAINER_LISTS)[number];

/** A container with its list and index. */
export type PlacedContainer = {
  readonly container: Container;
  readonly list: ContainerList;
  readonly index: number;
  /** JSON pointer, as `/spec/containers/0`. */
  readonly path: string;
};

/**
 * Lists every container of a pod: init, ordinary, ephemeral. All code that enumerates containers uses
 * this function, so that no list is missed.
 */
export const listContainers = (pod: Pod): readonly PlacedContainer[] => {
  // An admission lists them a dozen times: a loop takes a third of what flatMap takes.
  const placed: PlacedContainer[] = [];
  for (const list of CONTAINER_LISTS) {
    pod.spec?.[list]?.forEach((container, index) =>
      placed.push({ container, list, index, path: `/spec/${list}/${index}` }),
    );
  }
  return placed;
};

/** An init container that the kubelet keeps running beside the ordinary ones. */
export const isNativeSidecar = ({ list, container }: PlacedContainer): boolean =>
  list === 'initContainers' && container.restartPolicy === 'Always';
