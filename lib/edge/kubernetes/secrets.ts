import { Buffer } from 'node:buffer';

import { V1ObjectMeta, V1Secret } from '@kubernetes/client-node';

import type { StoredSecret, Written } from '../../certificate/round.ts';
import { merge, timely, type Kubernetes } from './client.ts';
import { asked, unless } from './kubernetes-error.ts';

/** One Secret, written under optimistic locking. */
export type SecretStore = {
  readonly read: () => Promise<StoredSecret | undefined>;
  /** `conflict`: it exists already. */
  readonly create: (data: StoredSecret['data']) => Promise<Written>;
  /** Sets these keys. `conflict`: it is gone, or not what `resourceVersion` was. */
  readonly replace: (resourceVersion: string, data: StoredSecret['data']) => Promise<Written>;
};

/** @throws KubernetesError from every function */
export const openSecret = (
  { core }: Kubernetes,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): SecretStore => ({
  read: async () => {
    const call = () => core.readNamespacedSecret({ namespace, name }, timely());
    const secret = await unless(['notFound'], asked(`get secret ${name}`, call), undefined);
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
    const call = () => core.createNamespacedSecret({ namespace, body }, timely());
    return written(['conflict'], asked(`create secret ${name}`, call));
  },
  replace: (resourceVersion, plain) => {
    const body = { metadata: { resourceVersion }, data: encode(plain) };
    const call = () => core.patchNamespacedSecret({ namespace, name, body }, merge());
    return written(['conflict', 'notFound'], asked(`patch secret ${name}`, call));
  },
});

const written = async (
  codes: readonly ('conflict' | 'notFound')[],
  call: Promise<unknown>,
): Promise<Written> =>
  unless(
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
