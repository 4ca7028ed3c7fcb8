import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UPSTREAM_SECRETS } from '../../release.ts';
import { applyObjects, execInPod, runKubectl } from '../../cluster/kubectl.ts';
import { cluster, recordSecrets, testContext } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine, to serve on its node');
export const { nodeAddress } = node;

/** A server on the node's address, which pods reach. */
export type NodeServer = { readonly origin: string; readonly close: () => Promise<void> };

/** Serves HTTP on the node. */
export const serveOnNode = async (server: Server): Promise<NodeServer> => {
  await new Promise<void>((resolve) => server.listen(0, nodeAddress, resolve));
  return {
    origin: `http://${nodeAddress}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

/** The names of Upstreams, which are cluster-scoped, and of their Secrets. */
export const getUpstreamName = (name: string): string => `e2e-${name}-${testContext.entry}`;

/**
 * Creates an Upstream, and the Secret of the same name with the key `token` for one origin.
 *
 * @param hidden what must not be found anywhere later
 */
export const createUpstream = async (
  name: string,
  {
    spec,
    secret: { text, origin, hidden = text },
  }: { spec: object; secret: { text: string; origin: string; hidden?: string } },
): Promise<void> => {
  recordSecrets(hidden);
  await deleteUpstream(name);
  const annotations = { 'valetkey.dev/origins': origin };
  await applyObjects(cluster, [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace: UPSTREAM_SECRETS, annotations },
      stringData: { token: text },
    },
    { apiVersion: 'valetkey.dev/v1alpha1', kind: 'Upstream', metadata: { name }, spec },
  ]);
};

export const deleteUpstream = async (name: string): Promise<void> => {
  await runKubectl(cluster, ['delete', 'upstream', name, '--ignore-not-found']);
  const where = ['-n', UPSTREAM_SECRETS, '--ignore-not-found'];
  await runKubectl(cluster, ['delete', 'secret', name, ...where]);
};

/** What presents a bearer token to a server on the node, without TLS. */
export const buildBearerSpec = (name: string, url: string) => ({
  url,
  allowHttp: true,
  privateAddresses: true,
  present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
  secret: { kubernetes: { name, key: 'token' } },
});

/** The agent's program whose clients use Upstreams. */
export const buildUpstreamCommand = (...args: string[]): string[] => [
  '/usr/bin/node',
  '/app/upstreams.mjs',
  ...args,
];

/** Runs a command of that program in the pod. */
export const callUpstream = async <T>(
  { container = 'agent', ...place }: PodRef,
  ...args: string[]
): Promise<T> => {
  const command = buildUpstreamCommand(...args);
  const { stdout } = await execInPod(cluster, { container, ...place }, command);
  return JSON.parse(stdout) as T;
};
