import { V1ConfigMap, V1ObjectMeta } from '@kubernetes/client-node';

import {
  buildMergePatchOptions,
  buildCallOptions,
  type KubernetesClient,
} from './kubernetes-client.ts';
import { callKubernetes, recoverFrom } from './kubernetes-error.ts';

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

type NamespacedName = { readonly namespace: string; readonly name: string };

/** @throws KubernetesError from every function */
export const createConfigMapStore = (
  { core }: KubernetesClient,
  { namespace, name }: NamespacedName,
): ConfigMapStore => ({
  read: async () => {
    const call = () => core.readNamespacedConfigMap({ namespace, name }, buildCallOptions());
    const found = await recoverFrom(
      ['notFound'],
      callKubernetes(`get configmap ${name}`, call),
      undefined,
    );
    return found && toStored(found);
  },
  create: async () => {
    const metadata = Object.assign(new V1ObjectMeta(), { namespace, name });
    const body = Object.assign(new V1ConfigMap(), { metadata });
    const call = () => core.createNamespacedConfigMap({ namespace, body }, buildCallOptions());
    await recoverFrom(['conflict'], callKubernetes(`create configmap ${name}`, call), undefined);
  },
  change: async ({ data, annotations, resourceVersion }) => {
    const body = { metadata: { annotations, resourceVersion }, data };
    const call = () =>
      core.patchNamespacedConfigMap({ namespace, name, body }, buildMergePatchOptions());
    await callKubernetes(`patch configmap ${name}`, call);
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
