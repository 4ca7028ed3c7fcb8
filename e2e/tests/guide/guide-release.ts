import { applyObjects, runKubectl } from '../../cluster/kubectl.ts';
import { uninstallRelease } from '../../release.ts';
import { deleteTestNamespaces } from '../../test-namespaces.ts';
import { testContext } from '../test-context.ts';

const { cluster, release } = testContext;

/** Images exist only on the node. That of awscli has no entry point. */
export const describeImage = (image: string, command: readonly string[]): string =>
  `image: ${image}\n      imagePullPolicy: Never\n      command: ${JSON.stringify(command)}`;

/**
 * A policy for nothing. When the last binding with a ConfigMap as parameter is deleted, an API server follows no
 * ConfigMap any more until it restarts (kubernetes/kubernetes#130887): later entries would meet old parameters.
 */
const buildParameterUser = (namespace: string): object[] => {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const metadata = { name: 'e2e-parameter-user' };
  const resources = { apiGroups: ['e2e.valetkey.dev'], apiVersions: ['v1'], resources: ['none'] };
  return [
    {
      ...{ apiVersion, kind: 'ValidatingAdmissionPolicy', metadata },
      spec: {
        paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
        matchConstraints: { resourceRules: [{ ...resources, operations: ['CREATE'] }] },
        validations: [{ expression: 'true' }],
      },
    },
    {
      ...{ apiVersion, kind: 'ValidatingAdmissionPolicyBinding', metadata },
      spec: {
        policyName: metadata.name,
        paramRef: { name: 'any', namespace, parameterNotFoundAction: 'Allow' },
        validationActions: ['Deny'],
      },
    },
  ];
};

/** Namespaces that guides create. */
const GUIDE_NAMESPACES = ['research', 'minio', 'quickstart'];

/** Refusals, which `status` shows for minutes: those about replicas are in the namespace of the chart. */
const AUTHORITY_EVENTS = 'source=valetkey-authority';

/**
 * Deletes what earlier tests and pages left, so that a page can install the chart: their pods would call the new
 * authority, whose refusals would count as problems, and their heads would be compared with its records.
 */
export const clearCluster = async (): Promise<void> => {
  await applyObjects(cluster, buildParameterUser(release.namespace));
  await deleteTestNamespaces(cluster);
  await runKubectl(cluster, ['delete', 'namespace', ...GUIDE_NAMESPACES, '--ignore-not-found']);
  await uninstallRelease(testContext, release);
  await runKubectl(cluster, ['delete', 'events', '-A', '--field-selector', AUTHORITY_EVENTS]);
  const heads = ['configmap', 'valetkey-audit-heads', '-n', release.namespace];
  await runKubectl(cluster, ['delete', ...heads, '--ignore-not-found']);
};
