/** As much of a pod as says whether it was injected. */
export type StoredPod = {
  metadata: { name: string };
  spec: { initContainers?: { name: string }[] };
};

export const isInjected = ({ spec }: StoredPod): boolean =>
  spec.initContainers?.some(({ name }) => name === 'valetkey-sidecar') === true;

export const readPod = (body: string): StoredPod => JSON.parse(body) as StoredPod;

export const readPods = (body: string): StoredPod[] =>
  (JSON.parse(body) as { items: StoredPod[] }).items;
