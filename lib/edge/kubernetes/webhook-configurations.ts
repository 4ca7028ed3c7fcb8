import { Buffer } from 'node:buffer';

import type { StoredConfiguration, WriteResult } from '../../certificate/certificate-reconciler.ts';
import {
  buildStrategicMergeOptions,
  buildCallOptions,
  type KubernetesClient,
} from './kubernetes-client.ts';
import { callKubernetes, toOutcome } from './kubernetes-error.ts';

type Kind = 'mutating' | 'validating';
type Body = {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly webhooks?: readonly {
    readonly name: string;
    readonly clientConfig: { readonly caBundle?: string };
  }[];
};

/** The mutating and the validating webhook configuration of one name. */
export type WebhookConfigurationStore = {
  /** Reads both; error `notFound` when one does not exist. */
  readonly read: () => Promise<readonly StoredConfiguration[]>;
  /** Sets this CA bundle (PEM) in every webhook of the configuration and changes nothing else. */
  readonly writeBundle: (
    configuration: StoredConfiguration,
    bundle: string,
  ) => Promise<WriteResult>;
};

/** @throws KubernetesError from every function */
export const createWebhookConfigurationStore = (
  kubernetes: KubernetesClient,
  name: string,
): WebhookConfigurationStore => {
  const calls = buildCalls(kubernetes, name);
  const read = async (kind: Kind): Promise<StoredConfiguration> =>
    toConfiguration(
      kind,
      await callKubernetes(`get ${kind} webhook configuration ${name}`, calls[kind].get),
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
      const response = callKubernetes(`patch ${id} webhook configuration ${name}`, call);
      return toOutcome(response, 'written', { conflict: 'conflict' });
    },
  };
};

type ConfigurationCalls = Readonly<
  Record<Kind, { get: () => Promise<Body>; patch: (body: object) => Promise<unknown> }>
>;

const buildCalls = ({ admission }: KubernetesClient, name: string): ConfigurationCalls => ({
  mutating: {
    get: () => admission.readMutatingWebhookConfiguration({ name }, buildCallOptions()),
    patch: (body) =>
      admission.patchMutatingWebhookConfiguration({ name, body }, buildStrategicMergeOptions()),
  },
  validating: {
    get: () => admission.readValidatingWebhookConfiguration({ name }, buildCallOptions()),
    patch: (body) =>
      admission.patchValidatingWebhookConfiguration({ name, body }, buildStrategicMergeOptions()),
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
