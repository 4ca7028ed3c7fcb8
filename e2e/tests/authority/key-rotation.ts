import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { buildAgentPod, cluster, readReports, testContext } from '../test-context.ts';

const namespaceArgs = ['-n', testContext.release.namespace];

/** Requests a rotation: annotates the Secret with a new value. */
export const requestRotation = (secret: string, annotation: string) =>
  runKubectl(cluster, [
    'annotate',
    'secret',
    secret,
    ...namespaceArgs,
    `${annotation}=${Date.now()}`,
    '--overwrite',
  ]);

/** Reads the ids of the grant signing keys in published order: the first one signs. */
export const readPublishedKids = async (): Promise<string[]> => {
  const path = `/api/v1/namespaces/${testContext.release.namespace}/services/https:valetkey-authority:443/proxy/jwks`;
  const { stdout } = await runKubectl(cluster, ['get', '--raw', path]);
  return (JSON.parse(stdout) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
};

type KeySecret = { metadata: { resourceVersion: string }; data: Record<string, string> };
type KeyState = { promotedAt: number; publishedAt?: number };

const DAY_MS = 86_400_000;

/** Makes the signing key a month old, and the next key published long enough to replace it. */
export const ageKeys = (): Promise<true> =>
  waitFor('the keys to be aged', async () => {
    const where = ['secret', 'valetkey-authority-keys', ...namespaceArgs];
    const { metadata, data } = await getJson<KeySecret>(cluster, where);
    const text = Buffer.from(data['state.json'] ?? '', 'base64').toString();
    const state = JSON.parse(text) as KeyState;
    // The next key does not sign before it is published, however old the current one is.
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

/** Reads the trust bundle (PEM) for new sidecars. */
export const readPublishedTrustBundle = async (): Promise<string> => {
  const where = ['configmap', 'valetkey-authority-trust-bundle', ...namespaceArgs];
  const { data } = await getJson<{ data: Record<string, string> }>(cluster, where);
  return data['ca-bundle.pem']?.trim() ?? '';
};

type InjectedPod = {
  spec: { initContainers: { env: { name: string; value?: string }[] }[] };
};

/** Reads the trust bundle (PEM) that a pod created now would get. */
export const readInjectedTrustBundle = async (namespace: string): Promise<string> => {
  const pod = buildAgentPod({ name: 'new-pod', namespace, tasks: { read: readReports } });
  const output = await applyObjects(cluster, pod, ['--dry-run=server', '-o', 'json']);
  const { spec } = JSON.parse(output) as InjectedPod;
  const access = spec.initContainers
    .flatMap(({ env }) => env)
    .find(({ name }) => name === 'VALETKEY_AUTHORITY');
  return (JSON.parse(access?.value ?? '{}') as { roots: string }).roots.trim();
};
