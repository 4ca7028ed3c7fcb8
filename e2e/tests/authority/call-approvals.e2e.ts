import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { APPROVER, buildApprovalRights, ON_CALL } from '../../../test/kit/approval-rights.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import {
  callCloudFromPod,
  cloud,
  cluster,
  createNamespace,
  runPod,
  testContext,
  type CloudAnswer,
  type PodRef,
} from '../test-context.ts';
import { waitForRecord } from './audit-records.ts';
import { createPluginUsers } from './plugin-users.ts';
import { buildTaskPolicy, deletePolicies, waitForPolicyCondition } from './task-policies.ts';

const asking = `e2e-asking-calls-${testContext.entry}`;
const unrelated = `e2e-unrelated-${testContext.entry}`;
const DATA = 'arn:aws:s3:::acme-data';

type StoredRequest = {
  metadata: { name: string; uid: string };
  spec: { kind: string; request: { name: string; value: string }[] };
  status?: { state: string };
};

describe(`a call that a policy asks people about (${cloud.name})`, () => {
  const place: PodRef = { namespace: '', pod: 'writer' };
  const users = createPluginUsers();

  beforeAll(async () => {
    await deletePolicies([asking, unrelated]);
    const namespace = (place.namespace = await createNamespace('call-asking'));
    await applyObjects(cluster, buildApprovalRights(namespace, namespace));
    const cedar = `@id("owners-decide") @approval("data-owners")
forbid (principal in Namespace::"${namespace}", action == Action::"call", resource)
when { context.action == "s3:PutObject" }
unless { context.approvals.contains("data-owners") };
@id("never")
forbid (principal in Namespace::"${namespace}", action == Action::"call", resource)
when { context.action == "s3:PutObject" && context.resource like "${DATA}/work/never/*" };`;
    await applyObjects(cluster, buildTaskPolicy(asking, cedar));
    expect(await waitForPolicyCondition(asking)).toMatchObject({ status: 'True' });
    const allow = [
      { actions: ['s3:GetObject'], resources: [`${DATA}/reports/*`] },
      { actions: ['s3:GetObject', 's3:PutObject'], resources: [`${DATA}/work/*`] },
    ];
    const tasks = { work: { delivery: 'sign', allow } };
    await runPod({ name: place.pod, namespace, tasks });
  });

  afterAll(async () => {
    users.remove();
    await deletePolicies([asking, unrelated]);
  });

  const write = (key: string, body = 'one'): Promise<CloudAnswer> =>
    callCloudFromPod(place, 'put', `work/${key}`, { env: { PUT_BODY: body } });

  const readRequest = (name: string): Promise<StoredRequest> =>
    getJson(cluster, ['approvalrequest', name, '-n', place.namespace]);

  const listRequestNames = async (): Promise<string[]> => {
    const args = ['approvalrequests', '-n', place.namespace];
    const { items } = await getJson<{ items: StoredRequest[] }>(cluster, args);
    return items.map(({ metadata }) => metadata.name);
  };

  /** Writes, and expects the command that approves it. */
  const writePending = async (key: string, body?: string): Promise<StoredRequest> => {
    const answer = await write(key, body);
    expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
    const command = `kubectl valetkey approve -n ${place.namespace} `;
    expect(answer.message).toContain(command);
    expect(answer.message).toContain('(approval_pending)');
    const [, name = ''] =
      new RegExp(`${command}(ar-[0-9a-f]{20})`).exec(answer.message ?? '') ?? [];
    return readRequest(name);
  };

  const decide = (user: string, verb: string, { metadata }: StoredRequest, ...more: string[]) =>
    users.run(user, [verb, metadata.name, '-n', place.namespace, '--yes', ...more]);

  const waitForKind = (kind: string) =>
    waitForRecord(
      kind,
      ({ unmapped, message }) =>
        unmapped.kind === kind &&
        (unmapped.namespace === place.namespace || message?.includes(ON_CALL) === true),
    );

  it('shows people the exact write, and leaves other calls alone', async () => {
    expect(await callCloudFromPod(place, 'get', 'reports/q3.csv')).toEqual({ status: 200 });
    const { spec } = await writePending('shown.txt');
    expect(spec.kind).toBe('call');
    const resource = 'arn:aws:s3:::acme-data/work/shown.txt';
    expect(spec.request).toContainEqual({ name: 's3:PutObject', value: resource });
  });

  it('does not reach the cloud before it is approved', async () => {
    const read = () => callCloudFromPod(place, 'get', 'work/unseen.txt');
    const request = await writePending('unseen.txt');
    expect((await read()).status).not.toBe(200);
    await decide(APPROVER, 'approve', request);
    expect(await write('unseen.txt')).toEqual({ status: 200 });
    expect(await read()).toEqual({ status: 200 });
  });

  it('is refused without asking where people could not allow it', async () => {
    const before = await listRequestNames();
    const denied = await write('never/a.txt');
    expect(denied).toMatchObject({ status: 403, code: 'AccessDenied' });
    expect(denied.message).toContain('(call_denied)');
    const outside = await callCloudFromPod(place, 'put', 'reports/q3.csv');
    expect(outside.message).toContain('(resource_outside)');
    expect(await listRequestNames()).toEqual(before);
  });

  it('is allowed once after an approval, and asks again', async () => {
    const request = await writePending('once.txt');
    expect((await writePending('once.txt')).metadata.uid).toBe(request.metadata.uid);
    await decide(APPROVER, 'approve', request);
    expect(await write('once.txt')).toEqual({ status: 200 });
    const again = await writePending('once.txt');
    expect(again.metadata.uid).not.toBe(request.metadata.uid);
    expect((await waitForKind('approval.used')).message).toContain(APPROVER);
  });

  it('is refused with another body or another key: each is another request', async () => {
    const request = await writePending('bound.txt', 'one');
    await decide(APPROVER, 'approve', request);
    const other = await writePending('bound.txt', 'two');
    expect(other.metadata.name).not.toBe(request.metadata.name);
    await writePending('elsewhere.txt', 'one');
    expect(await write('bound.txt', 'one')).toEqual({ status: 200 });
  });

  it('is not allowed by an approval of a request that was deleted and made again', async () => {
    const request = await writePending('remade.txt');
    await decide(APPROVER, 'approve', request);
    const { name } = request.metadata;
    await runKubectl(cluster, ['delete', 'approvalrequest', name, '-n', place.namespace]);
    const remade = await writePending('remade.txt');
    expect(remade.metadata.name).toBe(name);
    expect(remade.metadata.uid).not.toBe(request.metadata.uid);
  });

  it('is allowed for one of two calls at once, whichever replicas they ask', async () => {
    await decide(APPROVER, 'approve', await writePending('raced.txt'));
    const answers = await Promise.all([write('raced.txt'), write('raced.txt')]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('keeps its approval when an unrelated policy changes', async () => {
    const request = await writePending('kept.txt');
    const cedar = `forbid (principal in Namespace::"elsewhere", action == Action::"run", resource);`;
    await applyObjects(cluster, buildTaskPolicy(unrelated, cedar));
    expect(await waitForPolicyCondition(unrelated)).toMatchObject({ status: 'True' });
    await decide(APPROVER, 'approve', request);
    expect(await write('kept.txt')).toEqual({ status: 200 });
  });

  it('is allowed by one person on call in an emergency, which another person reviews', async () => {
    const request = await writePending('emergency.txt');
    await expect(decide(APPROVER, 'breakglass', request, '--incident', 'INC-7')).rejects.toThrow(
      'breakglass',
    );
    await decide(ON_CALL, 'breakglass', request, '--incident', 'INC-7');
    expect(await write('emergency.txt')).toEqual({ status: 200 });
    expect((await waitForKind('emergency.used')).message).toContain('INC-7');
    const next = await writePending('emergency-2.txt');
    await decide(ON_CALL, 'breakglass', next, '--incident', 'INC-8');
    expect((await write('emergency-2.txt')).message).toContain('(emergency_unreviewed)');
    await decide(APPROVER, 'review', request);
    expect(await write('emergency-2.txt')).toEqual({ status: 200 });
    await decide(APPROVER, 'review', next);
    await waitForKind('emergency.reviewed');
    const args = ['leases', '-n', testContext.release.namespace];
    const listEmergencies = async () =>
      (await getJson<{ items: { metadata: { name: string } }[] }>(cluster, args)).items.filter(
        ({ metadata }) => metadata.name.startsWith('emergency-'),
      );
    // Every replica looks about every minute.
    const retries = { timeoutMs: 150_000, intervalMs: 2_000 };
    await waitFor('the last review', async () => (await listEmergencies()).length === 0, retries);
  }, 300_000);
});
