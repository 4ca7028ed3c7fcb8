import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { issueServerCertificate } from './server-certificate.ts';
import { applyObjects, runKubectl } from '../cluster/kubectl.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import { cluster } from './test-context.ts';

type ReviewedPod = {
  spec: { containers: { name: string }[]; initContainers?: { name: string }[] };
};
type Review = { request: { uid: string; object: ReviewedPod } };

/** JSON Patch of a pod; empty: it stays as it is. */
type BuildPatch = (pod: ReviewedPod) => readonly object[];

/** Adds a container, as meshes without native sidecars do. */
export const addContainer =
  (container: { name: string }): BuildPatch =>
  ({ spec }) =>
    spec.containers.some(({ name }) => name === container.name)
      ? []
      : [{ op: 'add', path: '/spec/containers/-', value: container }];

/** Moves the first init container to the end, once, as a strategic merge may do. */
export const moveFirstInitContainer = (): BuildPatch => {
  let isMoved = false;
  return ({ spec: { initContainers = [] } }) => {
    if (isMoved || initContainers.length < 2) return [];
    isMoved = true;
    const path = `/spec/initContainers/${initContainers.length - 1}`;
    return [{ op: 'move', from: '/spec/initContainers/0', path }];
  };
};

/**
 * Starts another mutating webhook, which the API server calls after ours (in the order of their names).
 * It changes pods labeled `mutate: after`.
 */
export const startMutatingWebhook = async (
  node: Cluster,
  namespace: string,
  buildPatch: BuildPatch,
) => {
  const { certificate, key } = await issueServerCertificate(node);
  const server = createServer({ cert: certificate, key }, (request, response) => {
    void text(request).then((body) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(handleReview(JSON.parse(body) as Review, buildPatch)));
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

const handleReview = ({ request }: Review, buildPatch: BuildPatch) => {
  const patch = buildPatch(request.object);
  const encoded = Buffer.from(JSON.stringify(patch)).toString('base64');
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid: request.uid,
      allowed: true,
      ...(patch.length > 0 && { patchType: 'JSONPatch', patch: encoded }),
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
