import { existsSync } from 'node:fs';

import { KubeConfig } from '@kubernetes/client-node';

import { fail, formatValue, succeed, type Result } from '../../schema/field-error.ts';
import type { KubernetesClient } from './kubernetes-client.ts';

/** How a user reaches a cluster. Defaults are those of `kubectl`. */
export type KubeconfigOptions = {
  /** A file, as in `kubectl --kubeconfig`. */
  readonly kubeconfig?: string;
  readonly context?: string;
};

/** The cluster and the namespace that `kubectl` would use. */
export type UserCluster = Pick<KubernetesClient, 'config'> & { readonly namespace: string };

/**
 * Loads the configuration as `kubectl` does: the given file, else those of `KUBECONFIG`, else
 * `~/.kube/config`, else the pod's own service account.
 *
 * @returns the configuration, or field errors; no call to the cluster is made
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

/** The default of the client library when it finds no configuration. */
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
    // The parser's message could quote a token.
    return fail([{ path: '--kubeconfig', expected, got: 'a file that is not a valid kubeconfig' }]);
  }
};
