import { Buffer } from 'node:buffer';

import type { StoredSecret, WriteResult } from '../../certificate/certificate-reconciler.ts';
import {
  buildMergePatchOptions,
  buildCallOptions,
  type KubernetesClient,
} from './kubernetes-client.ts';
import { callKubernetes, readChartObject, toOutcome } from './kubernetes-error.ts';

/** One Secret that the chart created without data, written under optimistic locking. */
export type SecretStore = {
  readonly read: () => Promise<StoredSecret>;
  /** Sets these keys. `conflict`: the Secret was deleted or changed since `resourceVersion`. */
  readonly replace: (resourceVersion: string, data: StoredSecret['data']) => Promise<WriteResult>;
};

/** @throws KubernetesError from every function */
export const createSecretStore = (
  { core }: KubernetesClient,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): SecretStore => ({
  read: async () => {
    const call = () => core.readNamespacedSecret({ namespace, name }, buildCallOptions());
    const { metadata, data } = await readChartObject(`get secret ${name}`, call);
    return {
      resourceVersion: metadata?.resourceVersion ?? '',
      data: recode(data ?? {}, 'base64', 'utf8'),
      annotations: metadata?.annotations ?? {},
    };
  },
  replace: (resourceVersion, plain) => {
    const body = { metadata: { resourceVersion }, data: encode(plain) };
    const call = () =>
      core.patchNamespacedSecret({ namespace, name, body }, buildMergePatchOptions());
    const patched = callKubernetes(`patch secret ${name}`, call);
    return toOutcome(patched, 'written', { conflict: 'conflict', notFound: 'conflict' });
  },
});

const encode = (plain: StoredSecret['data']) => recode(plain, 'utf8', 'base64');

const recode = (
  data: Readonly<Record<string, string>>,
  from: BufferEncoding,
  to: BufferEncoding,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, from).toString(to)]),
  );
