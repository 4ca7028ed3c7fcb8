import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import {
  API_GROUP,
  API_VERSION,
  AUTHORITY_AUDIENCE,
  ROOTS_CONFIG_MAP,
  ROOTS_KEY,
  TASK_POLICIES,
} from '../../lib/contract/authority.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { startEmbeddedCluster, type EmbeddedCluster } from '../embedded-cluster/cluster.ts';
import { membersOf } from '../embedded-cluster/store.ts';
import type { Closing } from './closing.ts';
import { PROGRAMS } from './programs.ts';

const POLICY_FILE = join(PROGRAMS.root, 'e2e', 'pods', 'policy.yaml');
/** What the chart makes of its release: both configurations of webhooks bear this name. */
const CONFIGURATION = 'valetkey';
const WEBHOOKS = {
  mutatingwebhookconfigurations: ['pods.valetkey.dev'],
  validatingwebhookconfigurations: ['pods.valetkey.dev', 'policies.valetkey.dev'],
};
const NAMESPACE = 'default';
const ACCOUNT = 'agent';

export type ClusterStage = {
  readonly cluster: EmbeddedCluster;
  /** Writes a kubeconfig for a user into the folder. */
  readonly kubeconfig: (username: string) => string;
  /** What API servers trust the webhook by; empty until it has filled it in. */
  readonly webhookBundle: () => string;
  /** What sidecars, and clouds, trust the authority by; empty until it has published them. */
  readonly roots: () => string;
  /** Keeps an admitted pod as if a kubelet had started it; answers its UID. */
  readonly run: (pod: Pod) => string;
  /** What a kubelet would project for it. */
  readonly projectToken: () => Promise<string>;
};

/** Starts an API server that holds what the chart, a platform team and a namespace's owner put there. */
export const startClusterStage = async (
  folder: string,
  { defer }: Closing,
): Promise<ClusterStage> => {
  const cluster = await startEmbeddedCluster(Date.now);
  defer(cluster.close);
  const { objects } = cluster;
  for (const [plural, names] of Object.entries(WEBHOOKS)) {
    const webhooks = names.map((name) => ({ name, clientConfig: {} }));
    objects.create(configurationPath(plural), { webhooks });
  }
  objects.create(`/api/v1/namespaces/${NAMESPACE}`, {});
  objects.create(`/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${ACCOUNT}`, {});
  const policy = membersOf(parse(readFileSync(POLICY_FILE, 'utf8')));
  const { name } = policy['metadata'] as { readonly name: string };
  objects.create(`/apis/${API_GROUP}/${API_VERSION}/${TASK_POLICIES}/${name}`, policy);
  const podPath = `/api/v1/namespaces/${NAMESPACE}/pods/${ACCOUNT}`;
  return {
    cluster,
    kubeconfig: (username) => {
      const file = join(folder, `${username.replaceAll(':', '-')}.kubeconfig`);
      writeFileSync(file, cluster.kubeconfigFor(username), { mode: 0o600 });
      return file;
    },
    webhookBundle: () => bundleOf(objects.get(configurationPath('mutatingwebhookconfigurations'))),
    roots: () => {
      const path = `/api/v1/namespaces/${INSTALLED.namespace}/configmaps/${ROOTS_CONFIG_MAP}`;
      const { [ROOTS_KEY]: roots = '' } = (objects.get(path)?.['data'] ?? {}) as StringData;
      return roots;
    },
    run: (pod) => {
      const [status, nodeName] = [{ phase: 'Running', podIP: '127.0.0.1' }, 'demo'];
      const running = { ...pod, spec: { ...pod.spec, nodeName }, status };
      return objects.create(podPath, running)?.metadata.uid ?? '';
    },
    projectToken: () => requestToken(cluster),
  };
};

const configurationPath = (plural: string): string =>
  `/apis/admissionregistration.k8s.io/v1/${plural}/${CONFIGURATION}`;

type StringData = Readonly<Record<string, string>>;
type Webhooks = readonly { readonly clientConfig: { readonly caBundle?: string } }[];

const bundleOf = (configuration: object | undefined): string => {
  const [first] = (membersOf(configuration)['webhooks'] ?? []) as Webhooks;
  return Buffer.from(first?.clientConfig.caBundle ?? '', 'base64').toString();
};

const requestToken = async (cluster: EmbeddedCluster): Promise<string> => {
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${ACCOUNT}/token`;
  const spec = {
    audiences: [AUTHORITY_AUDIENCE],
    expirationSeconds: 600,
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: ACCOUNT },
  };
  const { body } = await cluster.ask('POST', path, { spec });
  return (body as { readonly status: { readonly token: string } }).status.token;
};
