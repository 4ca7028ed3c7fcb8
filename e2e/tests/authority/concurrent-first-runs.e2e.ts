import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  callSidecarFromPod,
  cloud,
  createNamespace,
  readReports,
  runPod,
} from '../test-context.ts';
import { readRunKeys } from './sidecar-runs.ts';

/** Each has a service account that the cloud has not seen before. */
const NAMESPACE_COUNT = 3;
const pods = ['first', 'second'];

describe(`the first runs of a service account, started by two pods at once (${cloud.name})`, () => {
  let namespaces: string[];

  beforeAll(async () => {
    const names = Array.from({ length: NAMESPACE_COUNT }, (_, index) => `first-runs-${index}`);
    namespaces = await Promise.all(names.map((name) => createNamespace(name)));
    const plans = namespaces.flatMap((namespace) => pods.map((name) => ({ name, namespace })));
    await Promise.all(plans.map((plan) => runPod({ ...plan, tasks: { read: readReports } })));
  });

  const startRun = (namespace: string, pod: string) =>
    callSidecarFromPod({ namespace, pod }, 'POST', '/v1/tasks/read/runs', {});

  // Both exchanges create the same user in the cloud, which reports a conflict (409) to one of them.
  it('return 201 or 503 with Retry-After, never 403', async () => {
    for (const namespace of namespaces) {
      const answers = await Promise.all(pods.map((pod) => startRun(namespace, pod)));
      const unexpected = answers.filter(
        ({ status, headers }) =>
          status !== 201 && !(status === 503 && Number(headers['retry-after']) > 0),
      );
      expect(unexpected).toEqual([]);
    }
  });

  it('leave both pods with credentials', async () => {
    for (const namespace of namespaces)
      await Promise.all(pods.map((pod) => readRunKeys({ namespace, pod })));
  });
});
