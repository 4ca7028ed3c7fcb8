import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { apply, kubectl, waitFor } from '../../../cluster/kubectl.ts';
import { webhookPods } from '../../../release.ts';
import { findEvent, findRecord, findRefusalOf } from '../../authority/records.ts';
import { judgementOf, readPolicies, removePolicies, taskPolicy } from '../../authority/policies.ts';
import type { StoredPolicy } from '../../authority/policies.ts';
import {
  askSidecar,
  cloud,
  cluster,
  createNamespace,
  readReports,
  runPod,
  stage,
} from '../../stage.ts';
import type { Place } from '../../stage.ts';

const { namespace: home } = stage.release;
const deployment = 'deployment/valetkey-webhook';
const unsound = `story-unsound-${stage.pass}`;
const names = ['first', 'second', 'third', 'fourth'];
const tasks = Object.fromEntries(names.map((name) => [name, readReports]));

// Policies are everybody's: these stories are told when no other is.
describe(`while the policies that stand are no policies (${cloud.name})`, () => {
  const pod: Place = { namespace: '', pod: 'waiting' };
  let policies: StoredPolicy[];

  beforeAll(async () => {
    await removePolicies([unsound]);
    policies = await readPolicies();
    pod.namespace = await createNamespace('policies');
    await runPod({ name: pod.pod, namespace: pod.namespace, tasks });
  });

  const restore = () =>
    apply(
      cluster,
      policies.map(({ apiVersion, kind, metadata: { name, labels, annotations }, spec }) => ({
        apiVersion,
        kind,
        metadata: { name, labels, annotations },
        spec,
      })),
    );

  afterAll(async () => {
    await removePolicies([unsound]);
    await restore();
  });

  const run = (task: string) =>
    askSidecar<{ Code?: string; Message?: string }>(pod, 'POST', `/v1/tasks/${task}/runs`, {});

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
    await removePolicies(policies.map(({ metadata }) => metadata.name));
    const refusal = await whenRefused('second');
    expect(refusal).toMatchObject({
      Code: 'policy_denied',
      Message: expect.stringContaining('no policy permits it'),
    });
    expect(await findRefusalOf(pod, 'policy_denied')).toMatchObject({ status_id: 2 });
    await findEvent(pod, 'policy_denied');
    await restore();
    await whenServed('second');
  });

  test('an unsound one, applied while no webhook looks, is told of in its status and denies everything', async () => {
    await kubectl(cluster, ['scale', deployment, '-n', home, '--replicas=0']);
    try {
      await waitFor(
        'every webhook to be gone',
        async () => (await webhookPods(cluster, home)).length === 0,
      );
      const cedar = `permit (principal, action, resource)
unless { context.resource like "arn:aws:s3:::acme-data/secrets/*" };`;
      await apply(cluster, taskPolicy(unsound, cedar));
      const judgement = await judgementOf(unsound);
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
      await findRecord(
        'the policy that came',
        ({ unmapped, entity }) => unmapped.kind === 'policy.changed' && entity?.name === unsound,
      );
      await removePolicies([unsound]);
      await whenServed('fourth');
    } finally {
      await kubectl(cluster, ['scale', deployment, '-n', home, '--replicas=2']);
      await kubectl(cluster, ['rollout', 'status', deployment, '-n', home, '--timeout=300s'], {
        timeoutMs: 310_000,
      });
    }
  });
});
