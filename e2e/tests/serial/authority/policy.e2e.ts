import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../../test/kit/retry.ts';
import { applyObjects, runKubectl } from '../../../cluster/kubectl.ts';
import { listWebhookPods } from '../../../release.ts';
import {
  waitForEvent,
  waitForRecord,
  waitForRefusalRecord,
} from '../../authority/audit-records.ts';
import {
  waitForPolicyCondition,
  readPolicies,
  deletePolicies,
  buildTaskPolicy,
  restorePolicies,
} from '../../authority/task-policies.ts';
import type { StoredPolicy } from '../../authority/task-policies.ts';
import {
  callSidecarFromPod,
  cloud,
  cluster,
  createNamespace,
  readReports,
  runPod,
  testContext,
} from '../../test-context.ts';
import type { PodRef } from '../../test-context.ts';

const { namespace: home } = testContext.release;
const deployment = 'deployment/valetkey-webhook';
const unsound = `e2e-unsound-${testContext.entry}`;
const names = ['first', 'second', 'third', 'fourth'];
const tasks = Object.fromEntries(names.map((name) => [name, readReports]));

// Policies are shared by all tests, so this file runs alone.
describe(`a run without valid policies (${cloud.name})`, () => {
  const pod: PodRef = { namespace: '', pod: 'waiting' };
  let policies: StoredPolicy[];

  beforeAll(async () => {
    await deletePolicies([unsound]);
    policies = await readPolicies();
    pod.namespace = await createNamespace('policies');
    await runPod({ name: pod.pod, namespace: pod.namespace, tasks });
  });

  const restore = () => restorePolicies(policies);

  afterAll(async () => {
    await deletePolicies([unsound]);
    await restore();
  });

  const run = (task: string) =>
    callSidecarFromPod<{ Code?: string; Message?: string }>(
      pod,
      'POST',
      `/v1/tasks/${task}/runs`,
      {},
    );

  const waitForDenial = (task: string) =>
    waitFor('a denied run', async () => {
      const { status, body } = await run(task);
      return status === 403 && body;
    });
  const waitForRun = (task: string) =>
    waitFor('a permitted run', async () => (await run(task)).status === 201);

  it('is denied without any policy, until there is one again', async () => {
    expect(policies.length).toBeGreaterThan(0);
    await waitForRun('first');
    await deletePolicies(policies.map(({ metadata }) => metadata.name));
    const refusal = await waitForDenial('second');
    expect(refusal).toMatchObject({
      Code: 'policy_denied',
      Message: expect.stringContaining('no policy permits it'),
    });
    expect(await waitForRefusalRecord(pod, 'policy_denied')).toMatchObject({ status_id: 2 });
    await waitForEvent(pod, 'policy_denied');
    await restore();
    await waitForRun('second');
  });

  it('is denied while an unsound policy exists, which its status reports if no webhook rejected it', async () => {
    await runKubectl(cluster, ['scale', deployment, '-n', home, '--replicas=0']);
    try {
      await waitFor(
        'termination of every webhook replica',
        async () => (await listWebhookPods(cluster, home)).length === 0,
      );
      const cedar = `permit (principal, action, resource)
unless { context.resource like "arn:aws:s3:::acme-data/secrets/*" };`;
      await applyObjects(cluster, buildTaskPolicy(unsound, cedar));
      const condition = await waitForPolicyCondition(unsound);
      expect(condition).toMatchObject({
        status: 'False',
        reason: 'Invalid',
        message: expect.stringContaining('line 2, column'),
      });
      const refusal = await waitForDenial('third');
      expect(refusal).toMatchObject({
        Code: 'policy_denied',
        Message: expect.stringContaining(unsound),
      });
      await waitForRecord(
        'the new policy',
        ({ unmapped, entity }) => unmapped.kind === 'policy.changed' && entity?.name === unsound,
      );
      await deletePolicies([unsound]);
      await waitForRun('fourth');
    } finally {
      await runKubectl(cluster, ['scale', deployment, '-n', home, '--replicas=2']);
      await runKubectl(cluster, ['rollout', 'status', deployment, '-n', home, '--timeout=300s'], {
        timeoutMs: 310_000,
      });
    }
  });
});
