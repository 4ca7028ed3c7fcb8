import { V1ConfigMap, V1ObjectMeta } from '@kubernetes/client-node';

import { merge, timely, type Kubernetes } from './client.ts';
import { asked, unless } from './kubernetes-error.ts';

/** A ConfigMap as it is stored. */
export type StoredConfigMap = {
  readonly resourceVersion: string;
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

/** Members to set; null removes one. */
export type ConfigMapChange = {
  readonly data?: Readonly<Record<string, string | null>>;
  readonly annotations?: Readonly<Record<string, string | null>>;
  /** Absent: whatever is there now. Present and stale: a `conflict` error. */
  readonly resourceVersion?: string;
};

export type ConfigMapStore = {
  readonly read: () => Promise<StoredConfigMap | undefined>;
  /** Makes it, empty; it is no fault when it exists. */
  readonly create: () => Promise<void>;
  readonly change: (change: ConfigMapChange) => Promise<void>;
};

type Place = { readonly namespace: string; readonly name: string };

/** @throws KubernetesError from every function */
export const openConfigMap = (
  { core }: Kubernetes,
  { namespace, name }: Place,
): ConfigMapStore => ({
  read: async () => {
    const call = () => core.readNamespacedConfigMap({ namespace, name }, timely());
    const found = await unless(['notFound'], asked(`get configmap ${name}`, call), undefined);
    return found && toStored(found);
  },
  create: async () => {
    const metadata = Object.assign(new V1ObjectMeta(), { namespace, name });
    const body = Object.assign(new V1ConfigMap(), { metadata });
    const call = () => core.createNamespacedConfigMap({ namespace, body }, timely());
    await unless(['conflict'], asked(`create configmap ${name}`, call), undefined);
  },
  change: async ({ data, annotations, resourceVersion }) => {
    const body = { metadata: { annotations, resourceVersion }, data };
    const call = () => core.patchNamespacedConfigMap({ namespace, name, body }, merge());
    await asked(`patch configmap ${name}`, call);
  },
});

type Body = {
  readonly metadata?: {
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
};

/** The part of a ConfigMap that we read. */
export const toStored = ({ metadata, data }: Body): StoredConfigMap => ({
  resourceVersion: metadata?.resourceVersion ?? '',
  data: data ?? {},
  annotations: metadata?.annotations ?? {},
});
