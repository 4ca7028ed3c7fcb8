import { afterAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../test/kit/retry.ts';
import { readLogs } from '../cluster/kubectl.ts';
import {
  deleteWorkloads,
  deployWorkloads,
  listRefusedObjects,
} from '../legitimate/workload-deployment.ts';
import { listInitContainerNames } from '../legitimate/workload-manifests.ts';
import { listRestarted, waitUntilSettled } from '../legitimate/workload-status.ts';
import { listRequests, listInitContainers, WORKLOADS } from '../legitimate/workloads.ts';
import type { CloudRequest } from '../legitimate/workloads.ts';
import { toEnvironment, callCloudFromPod, callSidecarWithRetry, cluster } from './test-context.ts';
import type { CredentialKeys } from './test-context.ts';

type PodPlace = { namespace: string; pod: string };

/** Repeats the call, because the first exchange may take longer than one call. */
const runRequest = (call: CloudRequest, pod: PodPlace): Promise<unknown> => {
  const { container, operation, bucket, key, task, expected } = call;
  const place = { ...pod, container };
  return waitFor(
    `${container} to ${operation} ${bucket}/${key}`,
    async () => {
      const env = task === undefined ? {} : { env: await readKeysFor(task, place) };
      expect(await callCloudFromPod(place, operation, key, { bucket, ...env })).toMatchObject(
        expected,
      );
      return true;
    },
    { timeoutMs: 45_000 },
  );
};

/** A log also contains warnings of libraries. */
const parseOutcome = (log: string): unknown => {
  const line = log.split('\n').findLast((each) => each.startsWith('{'));
  return line === undefined ? log : JSON.parse(line);
};

const readKeysFor = async (task: string, place: PodPlace & { container: string }) => {
  const { body } = await callSidecarWithRetry<CredentialKeys>(
    place,
    'GET',
    `/v1/tasks/${task}/credentials`,
  );
  return toEnvironment(body);
};

// Concurrent tests do not wait for beforeAll.
const deployment = deployWorkloads();

describe('a legitimate workload is admitted, runs, and gets exactly what its tasks declare:', () => {
  afterAll(async () => {
    await deleteWorkloads(await deployment);
  });

  it.concurrent.each([...WORKLOADS])('$description', async (workload) => {
    const fixture = await deployment;
    const refused = listRefusedObjects(workload, fixture);
    if (refused.length > 0) throw new Error(`${refused.join(', ')}: ${fixture.refusals}`);
    const namespace = fixture.namespaces[workload.namespaceKind ?? 'team'];
    for (const pod of await waitUntilSettled(workload, namespace)) {
      const place = { namespace, pod: pod.metadata.name };
      expect(listInitContainerNames(pod)).toEqual(listInitContainers(workload));
      expect(pod.status.qosClass).toBe(workload.qosClass ?? 'Burstable');
      for (const container of workload.workers ?? [])
        expect(parseOutcome(await readLogs(cluster, { ...place, container }))).toEqual({
          status: 200,
        });
      for (const call of listRequests(workload)) await runRequest(call, place);
      expect(listRestarted(pod.status)).toEqual([]);
    }
  });
});
