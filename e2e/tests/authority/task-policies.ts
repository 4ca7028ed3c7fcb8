import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { cluster } from '../test-context.ts';

/** Builds a TaskPolicy with this Cedar text. */
export const buildTaskPolicy = (name: string, cedar: string) => ({
  apiVersion: 'valetkey.dev/v1alpha1',
  kind: 'TaskPolicy',
  metadata: { name },
  spec: { cedar },
});

export type StoredPolicy = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; generation: number; labels?: object; annotations?: object };
  spec: { cedar: string };
  status?: { conditions?: PolicyCondition[] };
};
type PolicyCondition = {
  type: string;
  status: string;
  reason: string;
  message: string;
  observedGeneration: number;
};

export const readPolicies = async (): Promise<StoredPolicy[]> =>
  (await getJson<{ items: StoredPolicy[] }>(cluster, ['taskpolicies'])).items;

export const deletePolicies = (names: string[]) =>
  runKubectl(cluster, ['delete', 'taskpolicy', ...names, '--ignore-not-found']);

/** Creates deleted policies again, as they were. */
export const restorePolicies = (policies: readonly StoredPolicy[]) =>
  applyObjects(
    cluster,
    policies.map(({ apiVersion, kind, metadata: { name, labels, annotations }, spec }) => ({
      apiVersion,
      kind,
      metadata: { name, labels, annotations },
      spec,
    })),
  );

/** Waits for the authority's Ready condition for the current generation of a policy. */
export const waitForPolicyCondition = (name: string): Promise<PolicyCondition> =>
  waitFor(`the Ready condition of TaskPolicy ${name}`, async () => {
    const found = (await readPolicies()).find(({ metadata }) => metadata.name === name);
    return found?.status?.conditions?.find(
      ({ type, observedGeneration }) =>
        type === 'Ready' && observedGeneration === found.metadata.generation,
    );
  });
