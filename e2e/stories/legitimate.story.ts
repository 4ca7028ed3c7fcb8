import { afterAll, describe, expect, test } from '@jest/globals';
import { logs, waitFor } from '../cluster/kubectl.ts';
import { clearAway, deployAll, refusedOf } from '../legitimate/deploying.ts';
import { initContainersIn } from '../legitimate/manifests.ts';
import { restartedIn, settled } from '../legitimate/settling.ts';
import { errandsOf, initContainersOf, WORKLOADS } from '../legitimate/workloads.ts';
import type { Errand } from '../legitimate/workloads.ts';
import { asEnvironment, askCloud, askPatiently, cluster } from './stage.ts';
import type { Keys } from './stage.ts';

type PodPlace = { namespace: string; pod: string };

/** As a patient consumer: again, while the first exchange takes its time. */
const runErrand = (errand: Errand, pod: PodPlace): Promise<unknown> => {
  const { container, operation, bucket, key, task, answer } = errand;
  const place = { ...pod, container };
  return waitFor(
    `${container} to ${operation} ${bucket}/${key}`,
    async () => {
      const env = task === undefined ? {} : { env: await keysFor(task, place) };
      expect(await askCloud(place, operation, key, { bucket, ...env })).toMatchObject(answer);
      return true;
    },
    { timeoutMs: 45_000 },
  );
};

/** A log holds what a library warns of, too. */
const outcomeIn = (log: string): unknown => {
  const line = log.split('\n').findLast((each) => each.startsWith('{'));
  return line === undefined ? log : JSON.parse(line);
};

const keysFor = async (task: string, place: PodPlace & { container: string }) => {
  const { body } = await askPatiently<Keys>(place, 'GET', `/v1/tasks/${task}/credentials`);
  return asEnvironment(body);
};

// Concurrent tests do not wait for beforeAll.
const deployed = deployAll();

describe('a legitimate workload of an editor is admitted, runs and gets what it declares:', () => {
  afterAll(async () => {
    await clearAway(await deployed);
  });

  test.concurrent.each([...WORKLOADS])('$shows', async (workload) => {
    const scene = await deployed;
    const refused = refusedOf(workload, scene);
    if (refused.length > 0) throw new Error(`${refused.join(', ')}: ${scene.refusals}`);
    const namespace = scene.namespaces[workload.place ?? 'team'];
    for (const pod of await settled(workload, namespace)) {
      const place = { namespace, pod: pod.metadata.name };
      expect(initContainersIn(pod)).toEqual(initContainersOf(workload));
      expect(pod.status.qosClass).toBe(workload.quality ?? 'Burstable');
      for (const container of workload.workers ?? [])
        expect(outcomeIn(await logs(cluster, { ...place, container }))).toEqual({ status: 200 });
      for (const errand of errandsOf(workload)) await runErrand(errand, place);
      expect(restartedIn(pod.status)).toEqual([]);
    }
  });
});
