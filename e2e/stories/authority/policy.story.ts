import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { apply, waitFor } from '../../cluster/kubectl.ts';
import { exchangeToken } from '../node.ts';
import {
  agentPod,
  askPatiently,
  cloud,
  cluster,
  createNamespace,
  readReports,
  refusalOf,
  runPod,
  stage,
} from '../stage.ts';
import type { Place } from '../stage.ts';
import { askFrom, newPurpose, refusedBody, replicas, tokenRequest } from './authority.ts';
import { judgementOf, removePolicies, taskPolicy } from './policies.ts';
import { expectRefusal, findEvent, findRefusalOf } from './records.ts';

const { node } = stage;
const names = {
  forbids: `story-forbids-${stage.pass}`,
  fails: `story-fails-${stage.pass}`,
  unsound: `story-unsound-${stage.pass}`,
};
const escaping = `forbid (principal, action, resource)
when { context.resource like "arn:aws:s3:::acme-data/secrets/*" };`;

describe(`policy (${cloud.name})`, () => {
  const pod: Place = { namespace: '', pod: 'governed' };

  beforeAll(async () => {
    await removePolicies(Object.values(names));
    pod.namespace = await createNamespace('policy');
    const tasks = { read: readReports, forbidden: readReports, failing: readReports };
    await runPod({ name: pod.pod, namespace: pod.namespace, tasks });
  });

  afterAll(() => removePolicies(Object.values(names)));

  const credentials = (task: string) =>
    askPatiently<{ Code: string; Message: string }>(pod, 'GET', `/v1/tasks/${task}/credentials`);

  test('that no task could ever meet refuses the pod when it is created', async () => {
    const tasks = { read: { ...readReports, lifetime: '20m' } };
    const refusal = await refusalOf(
      agentPod({ name: 'hopeless', namespace: pod.namespace, tasks }),
    );
    expect(refusal).toContain('no policy permits it');
  });

  test('that forbids one task leaves the others', async () => {
    const scope = `principal in Namespace::"${pod.namespace}", action == Action::"run"`;
    const cedar = `@id("not-this-one")\nforbid (${scope}, resource == Task::"forbidden");`;
    await apply(cluster, taskPolicy(names.forbids, cedar));
    expect(await judgementOf(names.forbids)).toMatchObject({ status: 'True', reason: 'Valid' });
    const refusal = await waitFor('the policy to be known', async () => {
      const answer = await credentials('forbidden');
      return answer.status === 403 && answer.body;
    });
    expect(refusal).toMatchObject({ Code: 'policy_denied' });
    expect(refusal.Message).toContain(`forbidden by ${names.forbids}/not-this-one`);
    const record = await findRefusalOf(pod, 'policy_denied');
    expect(record).toMatchObject({
      unmapped: { task: 'forbidden' },
      actor: {
        authorizations: [{ decision: 'deny', policy: { name: `${names.forbids}/not-this-one` } }],
      },
    });
    await findEvent(pod, 'policy_denied');
    expect(await credentials('read')).toMatchObject({ status: 200 });
  });

  test('that fails in evaluation is a no, and not passed over', async () => {
    const scope = `principal in Namespace::"${pod.namespace}", action == Action::"run"`;
    const cedar = `forbid (${scope}, resource == Task::"failing")
when { context.lifetimeSeconds * 9223372036854775807 < 0 };`;
    await apply(cluster, taskPolicy(names.fails, cedar));
    expect(await judgementOf(names.fails)).toMatchObject({ status: 'True' });
    const refusal = await waitFor('the policy to be known', async () => {
      const answer = await credentials('failing');
      return answer.status === 403 && answer.body;
    });
    expect(refusal).toMatchObject({ Code: 'policy_denied' });
    expect(refusal.Message).toContain(`${names.fails}/0 failed in evaluation`);
    await findEvent(pod, 'failed in evaluation');
    expect(await credentials('read')).toMatchObject({ status: 200 });
  });

  if (node !== undefined) {
    test('is asked by every replica alike', async () => {
      const token = await exchangeToken(node, pod);
      for (const { address } of await replicas()) {
        const purpose = newPurpose();
        const wish = tokenRequest({ token, task: 'forbidden', purpose });
        const reply = await askFrom(pod, wish, { address });
        expect(refusedBody(reply).policies).toEqual([`${names.forbids}/not-this-one`]);
        await expectRefusal(reply, { status: 403, reason: 'policy_denied', purpose, pod });
      }
    });
  }

  test.each([
    ['that a wider declaration escapes', escaping, 'a wider declared pattern escapes it'],
    ['that is no Cedar', 'permit (everybody);', 'line 1'],
    [
      'that asks for what there is not',
      'permit (principal, action, resource) when { context.colour == "red" };',
      'colour',
    ],
  ])('%s is refused when it is applied', async (_what, cedar, because) => {
    expect(await refusalOf(taskPolicy(names.unsound, cedar))).toContain(because);
  });
});
