import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../../test/kit/retry.ts';
import { scaleReplicas } from '../../authority/authority-replicas.ts';
import {
  expectUnavailable,
  readRunKeys,
  requestKeys,
  startRun,
} from '../../authority/sidecar-runs.ts';
import { cloud, createNamespace, expectRead, readReports, runPod } from '../../test-context.ts';
import type { PodRef } from '../../test-context.ts';

/** Longer than it takes to stop every replica. */
const SHORT_LIFETIME = '40s';

describe(`a sidecar while no authority replica runs (${cloud.name})`, () => {
  const place: PodRef = { namespace: '', pod: 'usual' };
  const short: PodRef = { namespace: '', pod: 'short' };

  beforeAll(async () => {
    const namespace = await createNamespace('authority-down');
    place.namespace = short.namespace = namespace;
    await runPod({ name: place.pod, namespace, tasks: { read: readReports } });
    const tasks = { read: { ...readReports, lifetime: SHORT_LIFETIME } };
    await runPod({ name: short.pod, namespace, tasks });
    await readRunKeys(place);
    await readRunKeys(short);
    await scaleReplicas(0);
  });

  afterAll(() => scaleReplicas(2));

  it('serves current credentials, and the cloud accepts them', async () => {
    await expectRead(place);
  });

  it('returns 503 with Retry-After for a new run', () => expectUnavailable(place));

  it('serves current credentials until they expire, and no longer', async () => {
    let expiresAt = 0;
    const refused = await waitFor('expiration', async () => {
      const { status, body, headers } = await requestKeys(short);
      if (status !== 200) return { status, headers, at: Date.now() };
      expiresAt = Date.parse((body as unknown as { Expiration: string }).Expiration);
      return undefined;
    });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.at).toBeGreaterThanOrEqual(expiresAt);
  });

  it('starts runs again once replicas are ready', async () => {
    await scaleReplicas(2);
    await startRun(place);
    await readRunKeys(short);
  });
});
