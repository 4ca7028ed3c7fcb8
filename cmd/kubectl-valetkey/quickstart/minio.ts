import { createHash } from 'node:crypto';

import type { NamespaceObjects } from '../../../lib/edge/kubernetes/namespace-objects.ts';
import { toMapping } from '../../../lib/schema/mapping.ts';
import { createProblemError } from '../tool-error.ts';
import { readPodState } from './pod-state.ts';
import type { Observation } from './waiting.ts';

/** Names in manifests/quickstart/namespace.yaml. */
const NAMES = { deployment: 'minio', selector: 'app=minio', ca: 'valetkey-ca' } as const;
/** Replaces MinIO, which reads the CA and the authority's discovery document once, when the CA is another. */
const CA_DIGEST = 'valetkey.dev/quickstart-ca';

/** Gives MinIO the CA of the authority, so that it can start. */
export const trustAuthority = async (
  objects: NamespaceObjects,
  { namespace, ca }: { readonly namespace: string; readonly ca: string },
): Promise<void> => {
  if ((await objects.readDeployment(NAMES.deployment)) === undefined) {
    const path = `Deployment ${namespace}/${NAMES.deployment}`;
    const expected = 'it to exist; kubectl apply -f manifests/quickstart/namespace.yaml creates it';
    throw createProblemError([{ path, expected, got: 'nothing' }]);
  }
  await objects.writeConfigMap(NAMES.ca, { 'valetkey.crt': ca });
  const digest = createHash('sha256').update(ca).digest('hex').slice(0, 16);
  await objects.annotatePods(NAMES.deployment, { [CA_DIGEST]: digest });
};

/** Whether MinIO runs with its present settings, and has its objects. */
export const observeMinio = async (objects: NamespaceObjects): Promise<Observation<true>> => {
  const { metadata, spec, status } = (await objects.readDeployment(NAMES.deployment)) ?? {};
  const { observedGeneration, updatedReplicas, replicas, availableReplicas } = toMapping(status);
  const isCurrent =
    observedGeneration === toMapping(metadata)['generation'] && updatedReplicas === replicas;
  if (isCurrent && replicas === toMapping(spec)['replicas'] && availableReplicas === replicas) {
    return { done: true };
  }
  const pods = (await objects.listPods(NAMES.selector)).filter(
    (pod) => toMapping(pod['metadata'])['deletionTimestamp'] === undefined,
  );
  const reasons = await Promise.all(pods.map((pod) => explainPod(objects, pod)));
  return { pending: reasons.join('; ') || 'Deployment minio has no pod yet' };
};

/** Why a pod does not run: the state of its containers, else its newest warning. */
export const explainPod = async (
  objects: NamespaceObjects,
  pod: Readonly<Record<string, unknown>>,
): Promise<string> => {
  const name = String(toMapping(pod['metadata'])['name']);
  const { phase, waiting } = readPodState(pod);
  const reasons = waiting.length > 0 ? waiting : (await objects.listWarnings(name)).slice(-1);
  return `pod ${name} is ${phase}${reasons.map((reason) => `; ${reason}`).join('')}`;
};
