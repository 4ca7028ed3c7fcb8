import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, getJson } from '../../cluster/kubectl.ts';
import { buildChartValues, installRelease } from '../../release.ts';
import { buildTaskPolicy, deletePolicies } from '../authority/task-policies.ts';
import {
  buildAgentPod,
  callSidecarFromPod,
  cloud,
  cluster,
  createNamespace,
  expectApiRefusal,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import type { PodRef } from '../test-context.ts';

const { release } = testContext;
const policy = `e2e-exception-${testContext.entry}`;
const tasks = { first: readReports, second: readReports, third: readReports };

const buildException = (namespace: string, daysAhead: number): object => {
  const until = new Date(Date.now() + daysAhead * 86_400_000).toISOString().slice(0, 10);
  return buildTaskPolicy(
    policy,
    `@until("${until}") @reason("a client that cannot sign")
permit (principal in Namespace::"${namespace}", action == Action::"run", resource)
when { context.delivery == "vend" };`,
  );
};

describe(`delivery vend as an exception (${cloud.name})`, () => {
  const pod: PodRef = { namespace: '', pod: 'witness' };

  beforeAll(async () => {
    await deletePolicies([policy]);
    pod.namespace = await createNamespace('vend-exception');
    await runPod({ name: pod.pod, namespace: pod.namespace, tasks });
  });

  afterAll(async () => {
    await deletePolicies([policy]);
    await installRelease(testContext, release, buildChartValues(testContext));
  });

  const waitForRun = (task: string, status: number) =>
    waitFor(`status ${status} of task ${task}`, async () => {
      const path = `/v1/tasks/${task}/runs`;
      const reply = await callSidecarFromPod<{ Message?: string }>(pod, 'POST', path, {});
      return reply.status === status && reply.body;
    });

  it('refuses new pods and the next run of running ones until a dated permit allows them', async () => {
    await waitForRun('first', 201);
    const values = { ...buildChartValues(testContext), policy: { vend: 'exception' } };
    await installRelease(testContext, release, values);
    expect((await waitForRun('second', 403)).Message).toContain('use delivery: sign');
    const newcomer = { name: 'newcomer', namespace: pod.namespace, tasks };
    expect(await expectApiRefusal(buildAgentPod(newcomer))).toContain('use delivery: sign');
    await applyObjects(cluster, [buildException(pod.namespace, 30)]);
    await waitForRun('third', 201);
    await runPod(newcomer);
  });

  it('refuses a permit that ends in more than 90 days', async () => {
    const refusal = await expectApiRefusal(buildException(pod.namespace, 120));
    expect(refusal).toContain('at most 90 days ahead');
  });

  it('stays the setting in an upgrade whose values do not state it', async () => {
    const values = { ...buildChartValues(testContext), policy: {} };
    await installRelease(testContext, release, values);
    const { data } = await getJson<{ data: Record<string, string> }>(cluster, [
      ...['configmap', 'valetkey-platform', '-n', release.namespace],
    ]);
    expect(data['platform.yaml']).toContain('vend: exception');
  });
});
