import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { buildAgentPod, cluster, readReports, testContext } from '../test-context.ts';

const namespaceArgs = ['-n', testContext.release.namespace];

/** Annotates a Secret with a new value: what its keepers take as a request. */
export const requestRotation = (secret: string, annotation: string) =>
  runKubectl(cluster, [
    'annotate',
    'secret',
    secret,
    ...namespaceArgs,
    `${annotation}=${Date.now()}`,
    '--overwrite',
  ]);

/** Of the keys of grants, in the order in which they are published: the one that signs is the first. */
export const readPublishedKids = async (): Promise<string[]> => {
  const path = `/api/v1/namespaces/${testContext.release.namespace}/services/https:valetkey-authority:443/proxy/jwks`;
  const { stdout } = await runKubectl(cluster, ['get', '--raw', path]);
  return (JSON.parse(stdout) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
};

type KeySecret = { metadata: { resourceVersion: string }; data: Record<string, string> };
type KeyState = { promotedAt: number; publishedAt?: number };

const DAY_MS = 86_400_000;

/** As if a month had gone by since the key that signs began to, and since the next was published. */
export const ageKeys = (): Promise<true> =>
  waitFor('the keys to be old', async () => {
    const where = ['secret', 'valetkey-authority-keys', ...namespaceArgs];
    const { metadata, data } = await getJson<KeySecret>(cluster, where);
    const text = Buffer.from(data['state.json'] ?? '', 'base64').toString();
    const state = JSON.parse(text) as KeyState;
    // Until it is seen where the cloud looks, it does not sign, however old the other is.
    if (state.publishedAt === undefined) throw new Error('the next key is not published yet');
    const aged = {
      ...state,
      promotedAt: Date.now() - 31 * DAY_MS,
      publishedAt: Date.now() - DAY_MS,
    };
    const value = Buffer.from(JSON.stringify(aged)).toString('base64');
    const { resourceVersion } = metadata;
    const patch = JSON.stringify({ metadata: { resourceVersion }, data: { 'state.json': value } });
    await runKubectl(cluster, ['patch', ...where, '--type=merge', '-p', patch]);
    return true;
  });

/** PEM: what new sidecars are to trust. */
export const readPublishedTrustBundle = async (): Promise<string> => {
  const where = ['configmap', 'valetkey-authority-roots', ...namespaceArgs];
  const { data } = await getJson<{ data: Record<string, string> }>(cluster, where);
  return data['roots.pem']?.trim() ?? '';
};

type InjectedPod = {
  spec: { initContainers: { env: { name: string; value?: string }[] }[] };
};

/** PEM: what the sidecar of a pod that came now would trust. */
export const readInjectedTrustBundle = async (namespace: string): Promise<string> => {
  const pod = buildAgentPod({ name: 'as-of-now', namespace, tasks: { read: readReports } });
  const words = await applyObjects(cluster, pod, ['--dry-run=server', '-o', 'json']);
  const { spec } = JSON.parse(words) as InjectedPod;
  const access = spec.initContainers
    .flatMap(({ env }) => env)
    .find(({ name }) => name === 'VALETKEY_AUTHORITY');
  return (JSON.parse(access?.value ?? '{}') as { roots: string }).roots.trim();
};
