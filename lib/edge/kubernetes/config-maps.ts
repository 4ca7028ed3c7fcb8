import {
  buildMergePatchOptions,
  buildCallOptions,
  type KubernetesClient,
} from './kubernetes-client.ts';
import { callKubernetes, readChartObject } from './kubernetes-error.ts';

/** A ConfigMap as the API server stores it. */
export type StoredConfigMap = {
  readonly resourceVersion: string;
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

/** Members to set; null removes one. */
export type ConfigMapChange = {
  readonly data?: Readonly<Record<string, string | null>>;
  readonly annotations?: Readonly<Record<string, string | null>>;
  /** Absent: change any version. Present and outdated: error `conflict`. */
  readonly resourceVersion?: string;
};

/** One ConfigMap that the chart created without data. */
export type ConfigMapStore = {
  readonly read: () => Promise<StoredConfigMap>;
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
    return toStored(await readChartObject(`get configmap ${name}`, call));
  },
  change: async ({ data, annotations, resourceVersion }) => {
    const body = { metadata: { annotations, resourceVersion }, data };
    const call = () =>
      core.patchNamespacedConfigMap({ namespace, name, body }, buildMergePatchOptions());
    await callKubernetes(`patch configmap ${name}`, call);
  },
});

/** The members of a ConfigMap that are used, as the API server returns them. */
export type ConfigMapBody = {
  readonly metadata?: {
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
};

/** Fills in the members that are missing. */
export const toStored = ({ metadata, data }: ConfigMapBody): StoredConfigMap => ({
  resourceVersion: metadata?.resourceVersion ?? '',
  data: data ?? {},
  annotations: metadata?.annotations ?? {},
});
