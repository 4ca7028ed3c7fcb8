import { afterEach, describe, expect, it } from '@jest/globals';

import { createFakeCluster } from '../certificate/fixtures/fake-cluster.ts';
import type { ServingCertificate } from '../certificate/serving-certificate.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { buildReconcilerOptions, startSelfSignedRenewal } from './certificates.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const DAY_SECONDS = 86_400;

/** A replica whose rounds follow each other at once. */
const startReplica = () => {
  const cluster = createFakeCluster(() => Date.now());
  const observed = {
    served: 0,
    failures: [] as unknown[],
    trust: [] as Pick<ServingCertificate, 'notAfter' | 'isTrusted'>[],
  };
  let writeBundle = cluster.deps.writeBundle;
  const loop = startSelfSignedRenewal(
    {
      ...buildReconcilerOptions({
        names: ['webhook.valetkey.svc'],
        authorityLifetimeSeconds: 30 * DAY_SECONDS,
        leafLifetimeSeconds: DAY_SECONDS,
      }),
      everyMs: 10,
      random: () => 0.5,
    },
    { ...cluster.deps, writeBundle: (...given) => writeBundle(...given) },
    {
      onStep: () => undefined,
      onServing: () => (observed.served += 1),
      onTrustRead: (serving) => observed.trust.push(serving),
      onFailure: (error) => observed.failures.push(error),
      onBundlesMissingNextCa: () => undefined,
    },
  );
  stops.push(loop.stop);
  return {
    ...{ cluster, observed },
    setWriteBundle: (write: typeof writeBundle) => (writeBundle = write),
  };
};

describe('startSelfSignedRenewal', () => {
  it('reports that its certificate is not trusted while it may not repair a foreign bundle', async () => {
    const { cluster, observed, setWriteBundle } = startReplica();
    await waitUntil(() => observed.served > 0);
    expect(observed.trust).toEqual([]);
    setWriteBundle(() => Promise.reject(new Error('forbidden')));
    cluster.overwriteBundle('');
    await waitUntil(() => observed.trust.length > 0);
    expect(observed.trust[0]).toEqual({ notAfter: expect.any(Number), isTrusted: false });
    expect(observed.failures).not.toEqual([]);
    setWriteBundle(cluster.deps.writeBundle);
    const served = observed.served;
    await waitUntil(() => observed.served > served);
    expect(cluster.bundles()).not.toContain('');
  });

  it('reports that it is trusted while it may only not add the next CA', async () => {
    const { cluster, observed, setWriteBundle } = startReplica();
    await waitUntil(() => observed.served > 0);
    setWriteBundle(() => Promise.reject(new Error('forbidden')));
    const [first = ''] = cluster.bundles();
    cluster.overwriteBundle(`${first}\n${first}`);
    await waitUntil(() => observed.trust.length > 0);
    expect(observed.trust[0]?.isTrusted).toBe(true);
  });
});
