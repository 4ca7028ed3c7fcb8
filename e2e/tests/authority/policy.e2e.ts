import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects } from '../../cluster/kubectl.ts';
import { readExchangeToken } from '../node-access.ts';
import {
  buildAgentPod,
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  readReports,
  expectApiRefusal,
  runPod,
  testContext,
} from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import {
  sendOneFrom,
  createPurpose,
  parseTokenError,
  listReplicas,
  buildTokenRequest,
} from './authority-requests.ts';
import { waitForPolicyCondition, deletePolicies, buildTaskPolicy } from './task-policies.ts';
import { expectRefusal, waitForEvent, waitForRefusalRecord } from './audit-records.ts';

const { node } = testContext;
const names = {
  forbids: `e2e-forbids-${testContext.entry}`,
  fails: `e2e-fails-${testContext.entry}`,
  unsound: `e2e-unsound-${testContext.entry}`,
};
const escaping = `forbid (principal, action, resource)
when { context.resource like "arn:aws:s3:::acme-data/secrets/*" };`;

describe(`policy (${cloud.name})`, () => {
  const pod: PodRef = { namespace: '', pod: 'governed' };

  beforeAll(async () => {
    await deletePolicies(Object.values(names));
    pod.namespace = await createNamespace('policy');
    const tasks = { read: readReports, forbidden: readReports, failing: readReports };
    await runPod({ name: pod.pod, namespace: pod.namespace, tasks });
  });

  afterAll(() => deletePolicies(Object.values(names)));

  const credentials = (task: string) =>
    callSidecarWithRetry<{ Code: string; Message: string }>(
      pod,
      'GET',
      `/v1/tasks/${task}/credentials`,
    );

  it('that no value of its params can satisfy refuses the pod at admission', async () => {
    const tasks = { read: { ...readReports, lifetime: '20m' } };
    const refusal = await expectApiRefusal(
      buildAgentPod({ name: 'hopeless', namespace: pod.namespace, tasks }),
    );
    expect(refusal).toContain('no policy permits it');
  });

  it('that forbids one task does not affect the others', async () => {
    const scope = `principal in Namespace::"${pod.namespace}", action == Action::"run"`;
    const cedar = `@id("not-this-one")\nforbid (${scope}, resource == Task::"forbidden");`;
    await applyObjects(cluster, buildTaskPolicy(names.forbids, cedar));
    expect(await waitForPolicyCondition(names.forbids)).toMatchObject({
      status: 'True',
      reason: 'Valid',
    });
    const refusal = await waitFor('the policy to be loaded', async () => {
      const answer = await credentials('forbidden');
      return answer.status === 403 && answer.body;
    });
    expect(refusal).toMatchObject({ Code: 'policy_denied' });
    expect(refusal.Message).toContain(`forbidden by ${names.forbids}/not-this-one`);
    const record = await waitForRefusalRecord(pod, 'policy_denied');
    expect(record).toMatchObject({
      unmapped: { task: 'forbidden' },
      actor: {
        authorizations: [{ decision: 'deny', policy: { name: `${names.forbids}/not-this-one` } }],
      },
    });
    await waitForEvent(pod, 'policy_denied');
    expect(await credentials('read')).toMatchObject({ status: 200 });
  });

  it('that fails in evaluation denies the run', async () => {
    const scope = `principal in Namespace::"${pod.namespace}", action == Action::"run"`;
    const cedar = `forbid (${scope}, resource == Task::"failing")
when { context.lifetimeSeconds * 9223372036854775807 < 0 };`;
    await applyObjects(cluster, buildTaskPolicy(names.fails, cedar));
    expect(await waitForPolicyCondition(names.fails)).toMatchObject({ status: 'True' });
    const refusal = await waitFor('the policy to be loaded', async () => {
      const answer = await credentials('failing');
      return answer.status === 403 && answer.body;
    });
    expect(refusal).toMatchObject({ Code: 'policy_denied' });
    expect(refusal.Message).toContain(`${names.fails}/0 could not be evaluated`);
    await waitForEvent(pod, 'could not be evaluated');
    expect(await credentials('read')).toMatchObject({ status: 200 });
  });

  if (node !== undefined) {
    it('is evaluated by every replica', async () => {
      const token = await readExchangeToken(node, pod);
      for (const { address } of await listReplicas()) {
        const purpose = createPurpose();
        const request = buildTokenRequest({ token, task: 'forbidden', purpose });
        const reply = await sendOneFrom(pod, request, { address });
        expect(parseTokenError(reply).policies).toEqual([`${names.forbids}/not-this-one`]);
        await expectRefusal(reply, { status: 403, reason: 'policy_denied', purpose, pod });
      }
    });
  }

  it.each([
    ['that a wider declaration bypasses', escaping, 'a wider declared pattern bypasses it'],
    ['that is not Cedar', 'permit (everybody);', 'line 1'],
    [
      'that uses an unknown attribute',
      'permit (principal, action, resource) when { context.colour == "red" };',
      'colour',
    ],
  ])('%s is rejected when it is applied', async (_what, cedar, because) => {
    expect(await expectApiRefusal(buildTaskPolicy(names.unsound, cedar))).toContain(because);
  });
});
