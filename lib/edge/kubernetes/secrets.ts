import { Buffer } from 'node:buffer';

import { V1ObjectMeta, V1Secret } from '@kubernetes/client-node';

import type { StoredSecret, WriteResult } from '../../certificate/certificate-reconciler.ts';
import {
  buildMergePatchOptions,
  buildCallOptions,
  type KubernetesClient,
} from './kubernetes-client.ts';
import { callKubernetes, findObject, toOutcome } from './kubernetes-error.ts';

/** One Secret, written under optimistic locking. */
export type SecretStore = {
  readonly read: () => Promise<StoredSecret | undefined>;
  /** `conflict`: the Secret exists already. */
  readonly create: (data: StoredSecret['data']) => Promise<WriteResult>;
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
    const secret = await findObject(callKubernetes(`get secret ${name}`, call));
    return (
      secret && {
        resourceVersion: secret.metadata?.resourceVersion ?? '',
        data: recode(secret.data ?? {}, 'base64', 'utf8'),
        annotations: secret.metadata?.annotations ?? {},
      }
    );
  },
  create: (plain) => {
    const metadata = Object.assign(new V1ObjectMeta(), { namespace, name });
    const fields = { metadata, type: 'Opaque', data: encode(plain) };
    const body = Object.assign(new V1Secret(), fields);
    const call = () => core.createNamespacedSecret({ namespace, body }, buildCallOptions());
    const created = callKubernetes(`create secret ${name}`, call);
    return toOutcome(created, 'written', { conflict: 'conflict' });
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
