import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import {
  API_GROUP,
  API_VERSION,
  AUTHORITY_AUDIENCE,
  TRUST_BUNDLE_CONFIG_MAP,
  CA_BUNDLE_KEY,
  TASK_POLICIES,
} from '../lib/contract/authority-api.ts';
import { INSTALLED } from '../lib/contract/names.ts';
import type { Pod } from '../lib/contract/pod.ts';
import { toUtcDay } from '../lib/policy/vend-exceptions.ts';
import {
  startEmbeddedApiServer,
  type EmbeddedApiServer,
} from '../test/fakes/api-server/embedded-api-server.ts';
import { listStoredObjectPaths } from '../test/kit/stored-objects.ts';
import { toJsonObject } from '../test/fakes/api-server/resource-store.ts';
import { checkApprovalRules } from './approval-rules.ts';
import type { CleanupStack } from './cleanup-stack.ts';
import { DEMO_PROGRAMS } from './demo-programs.ts';

const POLICY_FILE = join(DEMO_PROGRAMS.demo, 'pods', 'policy.yaml');
/** Name of both webhook configurations, as the chart renders it. */
const CONFIGURATION = 'valetkey';
const WEBHOOKS = {
  mutatingwebhookconfigurations: ['pods.valetkey.dev'],
  validatingwebhookconfigurations: ['pods.valetkey.dev', 'policies.valetkey.dev'],
};
const NAMESPACE = 'default';
/** Service accounts, each with one pod of its name. */
const ACCOUNTS = ['agent', 'reader'] as const;

export type DemoCluster = {
  readonly apiServer: EmbeddedApiServer;
  /** Writes a kubeconfig for a user into the folder. */
  readonly writeKubeconfig: (username: string) => string;
  /** The caBundle of the webhook. Empty until the webhook has written it. */
  readonly readWebhookBundle: () => string;
  /** The trust bundle of the authority. Empty until the authority has published it. */
  readonly readTrustBundle: () => string;
  /** Stores an admitted pod as if a kubelet had started it. @returns its UID */
  readonly createRunningPod: (pod: Pod) => string;
  /** Creates the token that a kubelet would project into the running pod of this name. */
  readonly projectToken: (name: string) => Promise<string>;
};

/**
 * Starts an API server with the objects of the chart, the platform team and a namespace owner.
 *
 * @param podIps addresses of the pod, the primary one first
 */
export const startDemoCluster = async (
  folder: string,
  podIps: readonly string[],
  { defer }: CleanupStack,
): Promise<DemoCluster> => {
  const apiServer = await startEmbeddedApiServer(Date.now, checkApprovalRules);
  defer(apiServer.close);
  const { objects } = apiServer;
  for (const [plural, names] of Object.entries(WEBHOOKS)) {
    const webhooks = names.map((name) => ({ name, clientConfig: {} }));
    objects.create(buildConfigurationPath(plural), { webhooks });
  }
  for (const path of listStoredObjectPaths(INSTALLED.namespace)) objects.create(path, {});
  objects.create(`/api/v1/namespaces/${NAMESPACE}`, {});
  for (const name of ACCOUNTS) {
    objects.create(`/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${name}`, {});
  }
  const policy = toJsonObject(parse(readPolicyText()));
  const { name } = policy['metadata'] as { readonly name: string };
  objects.create(`/apis/${API_GROUP}/${API_VERSION}/${TASK_POLICIES}/${name}`, policy);
  return {
    apiServer,
    writeKubeconfig: (username) => {
      const file = join(folder, `${username.replaceAll(':', '-')}.kubeconfig`);
      writeFileSync(file, apiServer.buildKubeconfigFor(username), { mode: 0o600 });
      return file;
    },
    readWebhookBundle: () =>
      readCaBundle(objects.get(buildConfigurationPath('mutatingwebhookconfigurations'))),
    readTrustBundle: () => {
      const path = `/api/v1/namespaces/${INSTALLED.namespace}/configmaps/${TRUST_BUNDLE_CONFIG_MAP}`;
      const { [CA_BUNDLE_KEY]: roots = '' } = (objects.get(path)?.['data'] ?? {}) as StringData;
      return roots;
    },
    createRunningPod: (pod) => {
      const addresses = { podIP: podIps[0], podIPs: podIps.map((ip) => ({ ip })) };
      const [status, nodeName] = [{ phase: 'Running', ...addresses }, 'demo'];
      const running = { ...pod, spec: { ...pod.spec, nodeName }, status };
      const path = `/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata?.name}`;
      return objects.create(path, running)?.metadata.uid ?? '';
    },
    projectToken: (name) => requestPodToken(apiServer, name),
  };
};

/** Last day of the exception, within the 90 days that policy allows. */
export const EXCEPTION_UNTIL = toUtcDay(Date.now() + 30 * 86_400_000);

const readPolicyText = (): string =>
  readFileSync(POLICY_FILE, 'utf8').replace(/@until\("[^"]*"\)/, `@until("${EXCEPTION_UNTIL}")`);

const buildConfigurationPath = (plural: string): string =>
  `/apis/admissionregistration.k8s.io/v1/${plural}/${CONFIGURATION}`;

type StringData = Readonly<Record<string, string>>;
type Webhooks = readonly { readonly clientConfig: { readonly caBundle?: string } }[];

const readCaBundle = (configuration: object | undefined): string => {
  const [first] = (toJsonObject(configuration)['webhooks'] ?? []) as Webhooks;
  return Buffer.from(first?.clientConfig.caBundle ?? '', 'base64').toString();
};

const requestPodToken = async (cluster: EmbeddedApiServer, name: string): Promise<string> => {
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${name}/token`;
  const spec = {
    audiences: [AUTHORITY_AUDIENCE],
    expirationSeconds: 600,
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name },
  };
  const { body } = await cluster.request('POST', path, { spec });
  return (body as { readonly status: { readonly token: string } }).status.token;
};
