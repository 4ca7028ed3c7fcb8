import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { resumeRgw } from '../../../clouds/rgw.ts';
import { stopCloud } from '../../../clouds/cloud-startup.ts';
import { trustAuthority } from '../../../clouds/cloud-trust.ts';
import { waitFor } from '../../../cluster/kubectl.ts';
import { scaleReplicas } from '../../authority/authority-replicas.ts';
import { requestKeys, readRunKeys, startRun } from '../../authority/sidecar-runs.ts';
import {
  callSidecarFromPod,
  cloud,
  createNamespace,
  expectRead,
  readReports,
  runPod,
  testContext,
} from '../../test-context.ts';
import type { PodRef } from '../../test-context.ts';

const { node } = testContext;
/** Longer than it takes to end every replica. */
const SHORT = '40s';

const expectUnavailable = async (place: PodRef): Promise<void> => {
  const { status, headers } = await callSidecarFromPod(place, 'POST', '/v1/tasks/read/runs', {});
  expect(status).toBe(503);
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
};

describe(`with no authority at all (${cloud.name})`, () => {
  const place: PodRef = { namespace: '', pod: 'held' };
  const short: PodRef = { namespace: '', pod: 'short' };

  beforeAll(async () => {
    const namespace = await createNamespace('no-authority');
    place.namespace = short.namespace = namespace;
    await runPod({ name: 'held', namespace, tasks: { read: readReports } });
    await runPod({
      name: 'short',
      namespace,
      tasks: { read: { ...readReports, lifetime: SHORT } },
    });
    await readRunKeys(place);
    await readRunKeys(short);
    await scaleReplicas(0);
  });

  afterAll(() => scaleReplicas(2));

  test('what is held is served, and used', async () => {
    await expectRead(place);
  });

  test('a new run is to be asked for later', () => expectUnavailable(place));

  test('what is held is served to its end, and not beyond', async () => {
    let end = 0;
    const refused = await waitFor('it to end', async () => {
      const { status, body, headers } = await requestKeys(short);
      if (status !== 200) return { status, headers, at: Date.now() };
      end = Date.parse((body as unknown as { Expiration: string }).Expiration);
      return undefined;
    });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.at).toBeGreaterThanOrEqual(end);
  });

  test('runs start by themselves when it is back', async () => {
    await scaleReplicas(2);
    await startRun(place);
    await readRunKeys(short);
  });
});

// Somebody else's cloud is not ours to stop.
if (node !== undefined) {
  describe(`with no STS at all (${cloud.name})`, () => {
    const place: PodRef = { namespace: '', pod: 'held' };

    beforeAll(async () => {
      place.namespace = await createNamespace('no-sts');
      const { pod: name, namespace } = place;
      await runPod({ name, namespace, tasks: { read: readReports } });
      await readRunKeys(place);
      isStopped = true;
      await stopCloud(node, cloud);
    });

    let isStopped = false;
    const resume = async (): Promise<void> => {
      if (!isStopped) return;
      isStopped = false;
      await (cloud.name === 'rgw' ? resumeRgw(node, cloud) : trustAuthority(node, cloud));
    };

    afterAll(resume);

    test('what is held is served', async () => {
      expect((await requestKeys(place)).status).toBe(200);
    });

    test('a new run is to be asked for later', () => expectUnavailable(place));

    test('runs start by themselves when it is back', async () => {
      await resume();
      await startRun(place);
      await expectRead(place);
    });
  });
}
