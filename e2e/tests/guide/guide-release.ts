import { applyObjects } from '../../cluster/kubectl.ts';
import { testContext } from '../test-context.ts';
import type { RunBlock } from './guide-shell.ts';

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

/** Uninstalls the chart, so that a page can install it. */
export const removeRelease = async (run: RunBlock): Promise<void> => {
  await applyObjects(cluster, buildParameterUser(release.namespace));
  await run(`helm uninstall ${release.name} -n ${release.namespace} --wait`);
};
