import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { waitFor } from '../cluster/kubectl.ts';
import { agentPod, cluster, kubectl } from './stage.ts';
import type { Declaration } from './stage.ts';

/** At most this many creations at once, and this many in all: a stream ends by itself. */
const LANES = 4;
const MOST = 5_000;

/**
 * Creates pods with tasks without pause, as server-side dry runs: the API server asks both of our
 * webhooks for each, and the node has nothing to run. Every answer but 201 is a failure.
 */
export const startStream = (namespace: string, tasks: Record<string, Declaration>) => {
  const failures: string[] = [];
  let created = 0;
  let sent = 0;
  let isStopped = false;
  const lane = async (create: (pod: object) => Promise<string | undefined>) => {
    while (!isStopped && sent < MOST) {
      const pod = agentPod({ name: `stream-${(sent += 1)}`, namespace, tasks });
      const failure = await create(pod);
      if (failure === undefined) created += 1;
      else failures.push(failure);
    }
  };
  const lanes = createToken().then((token) =>
    Promise.all(Array.from({ length: LANES }, () => lane((pod) => dryRun(namespace, token, pod)))),
  );
  return {
    more: async (count: number) => {
      const goal = created + count;
      await waitFor(`${count} more pods`, () => created >= goal || failures.length > 0);
    },
    stop: async () => {
      isStopped = true;
      await lanes;
      return { created, failures };
    },
  };
};

const createToken = async (): Promise<string> => {
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'e2e-stream', namespace: 'default' },
  };
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'e2e-stream' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
    subjects: [{ kind: 'ServiceAccount', name: 'e2e-stream', namespace: 'default' }],
  };
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [account, binding] });
  await kubectl(cluster, ['apply', '-f', '-'], { input });
  return (await kubectl(cluster, ['create', 'token', 'e2e-stream', '-n', 'default'])).stdout.trim();
};

const dryRun = (namespace: string, token: string, pod: object): Promise<string | undefined> => {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const call = request(`${cluster.apiServer}/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
    method: 'POST',
    ca: readFileSync(cluster.caCertificate),
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    timeout: 30_000,
  });
  call.on('error', (error) => resolve(error.message));
  call.on('timeout', () => call.destroy(new Error('no answer within 30 s')));
  call.on('response', (response) => {
    void text(response).then((body) =>
      resolve(
        response.statusCode === 201
          ? undefined
          : `${String(response.statusCode)} ${body.slice(0, 500)}`,
      ),
    );
  });
  call.end(JSON.stringify(pod));
  return promise;
};
