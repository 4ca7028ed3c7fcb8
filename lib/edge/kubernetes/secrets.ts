import { Buffer } from 'node:buffer';

import { V1ObjectMeta, V1Secret } from '@kubernetes/client-node';

import type { StoredSecret, WriteResult } from '../../certificate/certificate-reconciler.ts';
import {
  buildMergePatchOptions,
  buildCallOptions,
  type KubernetesClient,
} from './kubernetes-client.ts';
import { callKubernetes, recoverFrom } from './kubernetes-error.ts';

/** One Secret, written under optimistic locking. */
export type SecretStore = {
  readonly read: () => Promise<StoredSecret | undefined>;
  /** `conflict`: it exists already. */
  readonly create: (data: StoredSecret['data']) => Promise<WriteResult>;
  /** Sets these keys. `conflict`: it is gone, or not what `resourceVersion` was. */
  readonly replace: (resourceVersion: string, data: StoredSecret['data']) => Promise<WriteResult>;
};

/** @throws KubernetesError from every function */
export const createSecretStore = (
  { core }: KubernetesClient,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): SecretStore => ({
  read: async () => {
    const call = () => core.readNamespacedSecret({ namespace, name }, buildCallOptions());
    const secret = await recoverFrom(
      ['notFound'],
      callKubernetes(`get secret ${name}`, call),
      undefined,
    );
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
    return toWriteResult(['conflict'], callKubernetes(`create secret ${name}`, call));
  },
  replace: (resourceVersion, plain) => {
    const body = { metadata: { resourceVersion }, data: encode(plain) };
    const call = () =>
      core.patchNamespacedSecret({ namespace, name, body }, buildMergePatchOptions());
    return toWriteResult(['conflict', 'notFound'], callKubernetes(`patch secret ${name}`, call));
  },
});

const toWriteResult = async (
  codes: readonly ('conflict' | 'notFound')[],
  call: Promise<unknown>,
): Promise<WriteResult> =>
  recoverFrom(
    codes,
    call.then(() => 'written' as const),
    'conflict' as const,
  );

const encode = (plain: StoredSecret['data']) => recode(plain, 'utf8', 'base64');

const recode = (
  data: Readonly<Record<string, string>>,
  from: BufferEncoding,
  to: BufferEncoding,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, from).toString(to)]),
  );
