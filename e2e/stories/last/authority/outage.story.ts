import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { resumeRgw } from '../../../clouds/rgw.ts';
import { stopCloud } from '../../../clouds/start.ts';
import { trustAuthority } from '../../../clouds/trust.ts';
import { waitFor } from '../../../cluster/kubectl.ts';
import { scaleTo } from '../../authority/replicas.ts';
import { askForKeys, keysOf, startRun } from '../../authority/runs.ts';
import {
  askSidecar,
  cloud,
  createNamespace,
  expectRead,
  readReports,
  runPod,
  stage,
} from '../../stage.ts';
import type { Place } from '../../stage.ts';

const { node } = stage;
/** Longer than it takes to end every replica. */
const SHORT = '40s';

const expectLater = async (place: Place): Promise<void> => {
  const { status, headers } = await askSidecar(place, 'POST', '/v1/tasks/read/runs', {});
  expect(status).toBe(503);
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
};

describe(`with no authority at all (${cloud.name})`, () => {
  const place: Place = { namespace: '', pod: 'held' };
  const short: Place = { namespace: '', pod: 'short' };

  beforeAll(async () => {
    const namespace = await createNamespace('no-authority');
    place.namespace = short.namespace = namespace;
    await runPod({ name: 'held', namespace, tasks: { read: readReports } });
    await runPod({
      name: 'short',
      namespace,
      tasks: { read: { ...readReports, lifetime: SHORT } },
    });
    await keysOf(place);
    await keysOf(short);
    await scaleTo(0);
  });

  afterAll(() => scaleTo(2));

  test('what is held is served, and used', async () => {
    await expectRead(place);
  });

  test('a new run is to be asked for later', () => expectLater(place));

  test('what is held is served to its end, and not beyond', async () => {
    let end = 0;
    const refused = await waitFor('it to end', async () => {
      const { status, body, headers } = await askForKeys(short);
      if (status !== 200) return { status, headers, at: Date.now() };
      end = Date.parse((body as unknown as { Expiration: string }).Expiration);
      return undefined;
    });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.at).toBeGreaterThanOrEqual(end);
  });

  test('runs start by themselves when it is back', async () => {
    await scaleTo(2);
    await startRun(place);
    await keysOf(short);
  });
});

// Somebody else's cloud is not ours to stop.
if (node !== undefined) {
  describe(`with no STS at all (${cloud.name})`, () => {
    const place: Place = { namespace: '', pod: 'held' };

    beforeAll(async () => {
      place.namespace = await createNamespace('no-sts');
      const { pod: name, namespace } = place;
      await runPod({ name, namespace, tasks: { read: readReports } });
      await keysOf(place);
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
      expect((await askForKeys(place)).status).toBe(200);
    });

    test('a new run is to be asked for later', () => expectLater(place));

    test('runs start by themselves when it is back', async () => {
      await resume();
      await startRun(place);
      await expectRead(place);
    });
  });
}
