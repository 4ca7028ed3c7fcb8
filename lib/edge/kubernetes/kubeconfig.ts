import { existsSync } from 'node:fs';

import { KubeConfig } from '@kubernetes/client-node';

import { fail, formatValue, succeed, type Result } from '../../schema/field-error.ts';
import type { KubernetesClient } from './kubernetes-client.ts';

/** How a person reaches a cluster; what is absent is as `kubectl` has it. */
export type KubeconfigOptions = {
  /** A file, as of `kubectl --kubeconfig`. */
  readonly kubeconfig?: string;
  readonly context?: string;
};

/** What `kubectl` would use, and the namespace that it would. */
export type UserCluster = Pick<KubernetesClient, 'config'> & { readonly namespace: string };

/**
 * Opens the cluster as `kubectl` does: the file given, else those of `KUBECONFIG`, else
 * `~/.kube/config`, else the pod's own service account.
 *
 * @returns or what of it is wrong; no cluster was asked yet
 */
export const loadUserCluster = (access: KubeconfigOptions): Result<UserCluster> => {
  const config = readKubeconfig(access);
  if (!config.ok) return config;
  const { value } = config;
  if (access.context !== undefined) value.setCurrentContext(access.context);
  if (value.getCurrentCluster()?.server === FALLBACK_SERVER) {
    const got = 'none: neither KUBECONFIG nor ~/.kube/config names one';
    return fail([{ path: '--kubeconfig', expected: 'a kubeconfig', got }]);
  }
  const context = value.getContextObject(value.getCurrentContext());
  if (context === null || value.getCurrentCluster() === null) {
    const contextNames = value.getContexts().map(({ name }) => name);
    const expected = `a context of the kubeconfig: ${contextNames.join(', ') || 'it has none'}`;
    return fail([{ path: '--context', expected, got: formatValue(value.getCurrentContext()) }]);
  }
  return succeed({ config: value, namespace: context.namespace ?? 'default' });
};

/** What the client library falls back to where it finds nothing. */
const FALLBACK_SERVER = 'http://localhost:8080';

const readKubeconfig = ({ kubeconfig }: KubeconfigOptions): Result<KubeConfig> => {
  const config = new KubeConfig();
  const expected = 'a kubeconfig';
  if (kubeconfig !== undefined && !existsSync(kubeconfig)) {
    return fail([{ path: '--kubeconfig', expected, got: `no file ${formatValue(kubeconfig)}` }]);
  }
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
    return succeed(config);
  } catch {
    // The parser's own words could quote a token.
    return fail([{ path: '--kubeconfig', expected, got: 'a file that cannot be read as one' }]);
  }
};
