/** The fields of a pod that show whether it was injected. */
export type StoredPod = {
  metadata: { name: string };
  spec: { initContainers?: { name: string }[] };
};

export const isInjected = ({ spec }: StoredPod): boolean =>
  spec.initContainers?.some(({ name }) => name === 'valetkey-sidecar') === true;

export const parsePod = (body: string): StoredPod => JSON.parse(body) as StoredPod;

export const parsePods = (body: string): StoredPod[] =>
  (JSON.parse(body) as { items: StoredPod[] }).items;
