import type { Container, Pod } from '../contract/pod.ts';

const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;
type ContainerList = (typeof CONTAINER_LISTS)[number];

/** A container and where it stands. */
export type PlacedContainer = {
  readonly container: Container;
  readonly list: ContainerList;
  readonly index: number;
  /** JSON pointer, as `/spec/containers/0`. */
  readonly path: string;
};

/**
 * Every container of a pod, whatever list it stands in, in the order init, ordinary, ephemeral.
 * Nothing else enumerates containers: a list that is forgotten once is a hole.
 */
export const listContainers = (pod: Pod): readonly PlacedContainer[] =>
  CONTAINER_LISTS.flatMap((list) =>
    (pod.spec?.[list] ?? []).map((container, index) => ({
      container,
      list,
      index,
      path: `/spec/${list}/${index}`,
    })),
  );

/** An init container that the kubelet keeps running beside the ordinary ones. */
export const isNativeSidecar = ({ list, container }: PlacedContainer): boolean =>
  list === 'initContainers' && container.restartPolicy === 'Always';
