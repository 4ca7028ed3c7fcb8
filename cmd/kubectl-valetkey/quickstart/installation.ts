import { INSTALLED } from '../../../lib/contract/names.ts';
import { CA_BUNDLE_KEY, TRUST_BUNDLE_CONFIG_MAP } from '../../../lib/contract/authority-api.ts';
import { STARTER_LABEL } from '../../../lib/policy/starter-policy.ts';
import type { ClusterClient } from '../cluster.ts';
import type { Observation } from './waiting.ts';

const INSTALL = 'install the chart with manifests/quickstart/quickstart-values.yaml';

/** Whether the programs are ready, and the CA of the authority. */
export const observeInstallation = async (
  cluster: Pick<ClusterClient, 'readWebhook' | 'readAuthority' | 'readConfigMap' | 'installedIn'>,
): Promise<Observation<string>> => {
  const programs = [
    [`Deployment ${INSTALLED.webhook}`, await cluster.readWebhook()],
    [`StatefulSet ${INSTALLED.authority}`, await cluster.readAuthority()],
  ] as const;
  for (const [name, replicas] of programs) {
    if (replicas === undefined) {
      return { pending: `no ${name} in namespace ${cluster.installedIn}: ${INSTALL}` };
    }
    if (replicas.ready === 0) return { pending: `${name} has no ready replica` };
  }
  const ca = (await cluster.readConfigMap(TRUST_BUNDLE_CONFIG_MAP))?.[CA_BUNDLE_KEY] ?? '';
  return ca === '' ? { pending: `no CA in ConfigMap ${TRUST_BUNDLE_CONFIG_MAP}` } : { done: ca };
};

/** The label with which the starter policy permits tasks in a namespace. */
export const TASKS_LABEL = { [STARTER_LABEL.name]: STARTER_LABEL.value };
