import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { createKubernetesClient } from '../../../lib/edge/kubernetes/kubernetes-client.ts';
import {
  createClusterJwksFetcher,
  readClusterIssuer,
} from '../../../lib/edge/kubernetes/cluster-issuer.ts';
import { createConfigMapStore } from '../../../lib/edge/kubernetes/config-maps.ts';
import { watchCustomResources } from '../../../lib/edge/kubernetes/custom-resource-watch.ts';
import { createCustomResourceClient } from '../../../lib/edge/kubernetes/custom-resources.ts';
import { createApiClient } from '../../../lib/edge/kubernetes/api-client.ts';
import { readOwnUsername } from '../../../lib/edge/kubernetes/self-subject-review.ts';
import { createTokenReviewer } from '../../../lib/edge/kubernetes/token-reviews.ts';
import { startEmbeddedApiServer, type EmbeddedApiServer } from './embedded-api-server.ts';

const POLICY = { kind: 'TaskPolicy', plural: 'taskpolicies' } as const;
const TOKENS = '/api/v1/namespaces/live/serviceaccounts/agent/token';

let cluster: EmbeddedApiServer;
let config: KubeConfig;
beforeEach(async () => {
  cluster = await startEmbeddedApiServer(Date.now);
  config = new KubeConfig();
  config.loadFromString(cluster.buildKubeconfigFor('system:serviceaccount:valetkey:someone'));
});
afterEach(() => cluster.close());

const requestToken = async (): Promise<string> => {
  const spec = { audiences: ['ours'], boundObjectRef: { kind: 'Pod', name: 'agent' } };
  const { body } = await cluster.request('POST', TOKENS, { spec });
  return (body as { status: { token: string } }).status.token;
};

describe('the embedded cluster, asked by the edges that the programs have', () => {
  test('identifies the caller by the kubeconfig, and rejects unknown tokens', async () => {
    const calls = createApiClient({ config });
    expect(await readOwnUsername(calls)).toBe('system:serviceaccount:valetkey:someone');
    config.users = [{ name: 'unknown', token: 'made-up' }];
    config.contexts = [{ name: 'embedded', cluster: 'embedded', user: 'unknown' }];
    await expect(readOwnUsername(createApiClient({ config }))).rejects.toMatchObject({
      code: 'refused',
    });
  });

  test('refuses a change of what has changed since it was read', async () => {
    const store = createConfigMapStore(createKubernetesClient(config), {
      namespace: 'valetkey',
      name: 'roots',
    });
    cluster.objects.create('/api/v1/namespaces/valetkey/configmaps/roots', {});
    const { resourceVersion } = await store.read();
    await store.change({ data: { one: '1' }, resourceVersion });
    const stale = store.change({ data: { two: '2' }, resourceVersion });
    await expect(stale).rejects.toMatchObject({ code: 'conflict' });
    expect((await store.read()).data).toEqual({ one: '1' });
  });

  test('sends a watch the existing objects and later changes', async () => {
    const resources = createCustomResourceClient(createApiClient({ config }), POLICY);
    await resources.create('first', { cedar: '' });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const seen: string[] = [];
    const stop = watchCustomResources(createKubernetesClient(config), {
      ...POLICY,
      onState: (all) => {
        seen.push(all.map(({ metadata }) => metadata.name).join());
        if (seen.length === 1) void resources.create('second', { cedar: '' });
        else resolve(undefined);
      },
      onSync: () => undefined,
      onError: (error) => seen.push(error.message),
      backoffMs: () => 0,
    });
    await promise;
    stop();
    expect(seen).toEqual(['first', 'first,second']);
  });

  test('reviews the tokens that it gave to a pod, for their audience and no other', async () => {
    cluster.objects.create('/api/v1/namespaces/live/serviceaccounts/agent', {});
    cluster.objects.create('/api/v1/namespaces/live/pods/agent', { spec: { nodeName: 'node-1' } });
    const token = await requestToken();
    const review = createTokenReviewer(createApiClient({ config }));
    expect(await review(token, 'ours')).toMatchObject({
      authenticated: true,
      audiences: ['ours'],
      username: 'system:serviceaccount:live:agent',
      extra: { 'authentication.kubernetes.io/pod-name': ['agent'] },
    });
    expect(await review(token, 'theirs')).toMatchObject({ authenticated: false });
    expect(await review(`${token}x`, 'ours')).toMatchObject({ authenticated: false });
  });

  test('publishes the key and the name of its issuer', async () => {
    const calls = createApiClient({ config });
    expect(await createClusterJwksFetcher(calls)()).toMatchObject({
      keys: [{ kty: 'RSA', alg: 'RS256' }],
    });
    expect(await readClusterIssuer(calls)).toBe('https://kubernetes.default.svc.cluster.local');
  });
});
