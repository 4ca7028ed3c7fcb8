import { Buffer } from 'node:buffer';

import type { StoredConfiguration, Written } from '../../certificate/round.ts';
import { strategicMerge, timely, type Kubernetes } from './client.ts';
import { asked, unless } from './kubernetes-error.ts';

type Kind = 'mutating' | 'validating';
type Body = {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly webhooks?: readonly {
    readonly name: string;
    readonly clientConfig: { readonly caBundle?: string };
  }[];
};

/** The mutating and the validating webhook configuration of one name. */
export type WebhookConfigurations = {
  /** Both of them; one that is missing is a `notFound` error. */
  readonly read: () => Promise<readonly StoredConfiguration[]>;
  /** Gives every webhook of the configuration this bundle (PEM), and touches nothing else. */
  readonly writeBundle: (configuration: StoredConfiguration, bundle: string) => Promise<Written>;
};

/** @throws KubernetesError from every function */
export const openWebhookConfigurations = (
  kubernetes: Kubernetes,
  name: string,
): WebhookConfigurations => {
  const calls = callsOf(kubernetes, name);
  const read = async (kind: Kind): Promise<StoredConfiguration> =>
    toConfiguration(
      kind,
      await asked(`get ${kind} webhook configuration ${name}`, calls[kind].get),
    );
  return {
    read: () => Promise.all([read('mutating'), read('validating')]),
    writeBundle: ({ id, resourceVersion, webhooks }, bundle) => {
      const caBundle = Buffer.from(bundle).toString('base64');
      const body = {
        metadata: { resourceVersion },
        webhooks: webhooks.map((webhook) => ({ name: webhook.name, clientConfig: { caBundle } })),
      };
      const call = () => calls[id as Kind].patch(body);
      const answer = asked(`patch ${id} webhook configuration ${name}`, call);
      return unless(
        ['conflict'],
        answer.then(() => 'written' as const),
        'conflict' as const,
      );
    },
  };
};

type Calls = Readonly<
  Record<Kind, { get: () => Promise<Body>; patch: (body: object) => Promise<unknown> }>
>;

const callsOf = ({ admission }: Kubernetes, name: string): Calls => ({
  mutating: {
    get: () => admission.readMutatingWebhookConfiguration({ name }, timely()),
    patch: (body) => admission.patchMutatingWebhookConfiguration({ name, body }, strategicMerge()),
  },
  validating: {
    get: () => admission.readValidatingWebhookConfiguration({ name }, timely()),
    patch: (body) =>
      admission.patchValidatingWebhookConfiguration({ name, body }, strategicMerge()),
  },
});

const toConfiguration = (id: Kind, { metadata, webhooks = [] }: Body): StoredConfiguration => ({
  id,
  resourceVersion: metadata?.resourceVersion ?? '',
  webhooks: webhooks.map(({ name, clientConfig }) => ({
    name,
    caBundle: Buffer.from(clientConfig.caBundle ?? '', 'base64').toString(),
  })),
});
