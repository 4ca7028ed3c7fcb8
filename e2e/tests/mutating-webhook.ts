import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { issueServerCertificate } from './server-certificate.ts';
import { applyObjects, runKubectl } from '../cluster/kubectl.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import { cluster } from './test-context.ts';

type Review = { request: { uid: string; object: { spec: { containers: { name: string }[] } } } };

/**
 * Starts another mutating webhook, which the API server calls after ours (in the order of their names).
 * It adds a container to pods labeled `mutate: after`, as meshes without native sidecars do.
 */
export const startMutatingWebhook = async (
  node: Cluster,
  namespace: string,
  container: { name: string },
) => {
  const { certificate, key } = await issueServerCertificate(node);
  const server = createServer({ cert: certificate, key }, (request, response) => {
    void text(request).then((body) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(handleReview(JSON.parse(body) as Review, container)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, node.nodeAddress, resolve));
  const { port } = server.address() as AddressInfo;
  const name = `zz-after-${namespace}`;
  await applyObjects(cluster, buildConfiguration(node, { name, namespace, port }));
  return {
    stop: async () => {
      await runKubectl(cluster, ['delete', 'mutatingwebhookconfiguration', name]);
      server.closeAllConnections();
      server.close();
    },
  };
};

const handleReview = ({ request }: Review, container: { name: string }) => {
  const isThere = request.object.spec.containers.some(({ name }) => name === container.name);
  const patch = [{ op: 'add', path: '/spec/containers/-', value: container }];
  const encoded = Buffer.from(JSON.stringify(patch)).toString('base64');
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid: request.uid,
      allowed: true,
      ...(isThere ? {} : { patchType: 'JSONPatch', patch: encoded }),
    },
  };
};

const buildConfiguration = (
  node: Cluster,
  { name, namespace, port }: { name: string; namespace: string; port: number },
) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  metadata: { name },
  webhooks: [
    {
      name: 'after.example.com',
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      reinvocationPolicy: 'IfNeeded',
      clientConfig: {
        url: `https://${node.nodeAddress}:${port}/mutate`,
        caBundle: readFileSync(node.caCertificate).toString('base64'),
      },
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      objectSelector: { matchLabels: { mutate: 'after' } },
      rules: [
        { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] },
      ],
    },
  ],
});
