import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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
const unsound = `story-unsound-${testContext.entry}`;
const names = ['first', 'second', 'third', 'fourth'];
const tasks = Object.fromEntries(names.map((name) => [name, readReports]));

// Policies are everybody's: these stories are told when no other is.
describe(`while the policies that stand are no policies (${cloud.name})`, () => {
  const pod: PodRef = { namespace: '', pod: 'waiting' };
  let policies: StoredPolicy[];

  beforeAll(async () => {
    await deletePolicies([unsound]);
    policies = await readPolicies();
    pod.namespace = await createNamespace('policies');
    await runPod({ name: pod.pod, namespace: pod.namespace, tasks });
  });

  const restore = () =>
    applyObjects(
      cluster,
      policies.map(({ apiVersion, kind, metadata: { name, labels, annotations }, spec }) => ({
        apiVersion,
        kind,
        metadata: { name, labels, annotations },
        spec,
      })),
    );

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

  const whenRefused = (task: string) =>
    waitFor('a refusal', async () => {
      const { status, body } = await run(task);
      return status === 403 && body;
    });
  const whenServed = (task: string) =>
    waitFor('credentials', async () => (await run(task)).status === 201);

  test('with none at all every run is denied, until there is one again', async () => {
    expect(policies.length).toBeGreaterThan(0);
    await whenServed('first');
    await deletePolicies(policies.map(({ metadata }) => metadata.name));
    const refusal = await whenRefused('second');
    expect(refusal).toMatchObject({
      Code: 'policy_denied',
      Message: expect.stringContaining('no policy permits it'),
    });
    expect(await waitForRefusalRecord(pod, 'policy_denied')).toMatchObject({ status_id: 2 });
    await waitForEvent(pod, 'policy_denied');
    await restore();
    await whenServed('second');
  });

  test('an unsound one, applied while no webhook looks, is told of in its status and denies everything', async () => {
    await runKubectl(cluster, ['scale', deployment, '-n', home, '--replicas=0']);
    try {
      await waitFor(
        'every webhook to be gone',
        async () => (await listWebhookPods(cluster, home)).length === 0,
      );
      const cedar = `permit (principal, action, resource)
unless { context.resource like "arn:aws:s3:::acme-data/secrets/*" };`;
      await applyObjects(cluster, buildTaskPolicy(unsound, cedar));
      const judgement = await waitForPolicyCondition(unsound);
      expect(judgement).toMatchObject({
        status: 'False',
        reason: 'Invalid',
        message: expect.stringContaining('line 2, column'),
      });
      const refusal = await whenRefused('third');
      expect(refusal).toMatchObject({
        Code: 'policy_denied',
        Message: expect.stringContaining(unsound),
      });
      await waitForRecord(
        'the policy that came',
        ({ unmapped, entity }) => unmapped.kind === 'policy.changed' && entity?.name === unsound,
      );
      await deletePolicies([unsound]);
      await whenServed('fourth');
    } finally {
      await runKubectl(cluster, ['scale', deployment, '-n', home, '--replicas=2']);
      await runKubectl(cluster, ['rollout', 'status', deployment, '-n', home, '--timeout=300s'], {
        timeoutMs: 310_000,
      });
    }
  });
});
