import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { APPROVER, buildApprovalRights, REQUESTER } from '../../../test/kit/approval-rights.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, getJson } from '../../cluster/kubectl.ts';
import {
  callCloudFromPod,
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readReports,
  runPod,
  testContext,
  toEnvironment,
} from '../test-context.ts';
import type { CredentialKeys, Declaration, PodRef, SidecarAnswer } from '../test-context.ts';
import { waitForEvent, waitForRecord } from './audit-records.ts';
import { createPluginUsers } from './plugin-users.ts';
import { buildTaskPolicy, deletePolicies, waitForPolicyCondition } from './task-policies.ts';

const asking = `e2e-asking-${testContext.entry}`;

const writeNotes: Declaration = {
  allow: [{ actions: ['s3:PutObject'], resources: ['arn:aws:s3:::acme-data/work/*'] }],
};

type StartAnswer = SidecarAnswer<{ Code?: string; Message?: string; credentials: CredentialKeys }>;
type StoredRequest = {
  metadata: { name: string; uid: string };
  spec: { groups: object[]; policies: { id: string }[]; requester: object };
  status?: { state: string };
};

describe(`a run that a policy asks people about (${cloud.name})`, () => {
  const place: PodRef = { namespace: '', pod: 'asking' };
  const users = createPluginUsers();

  beforeAll(async () => {
    await deletePolicies([asking]);
    const namespace = (place.namespace = await createNamespace('asking'));
    await applyObjects(cluster, buildApprovalRights(namespace, namespace));
    const scope = `principal in Namespace::"${namespace}", action == Action::"run"`;
    const cedar = `@id("owners-decide") @approval("data-owners")
forbid (${scope}, resource == Task::"write")
unless { context.approvals.contains("data-owners") };`;
    await applyObjects(cluster, buildTaskPolicy(asking, cedar));
    expect(await waitForPolicyCondition(asking)).toMatchObject({ status: 'True' });
    await runPod({ name: place.pod, namespace, tasks: { read: readReports, write: writeNotes } });
  });

  afterAll(async () => {
    users.remove();
    await deletePolicies([asking]);
  });

  const start = (task = 'write'): Promise<StartAnswer> =>
    callSidecarWithRetry(place, 'POST', `/v1/tasks/${task}/runs`, {});

  /** The sidecar returns a refusal for 5 s before it asks the authority again. */
  const waitForStart = (status: number, code?: string): Promise<StartAnswer> =>
    waitFor(`${status} ${code ?? ''} to the start of a run`, async () => {
      const answer = await start();
      return answer.status === status && answer.body.Code === code && answer;
    });

  const listRequests = async (): Promise<StoredRequest[]> => {
    const args = ['approvalrequests', '-n', place.namespace];
    return (await getJson<{ items: StoredRequest[] }>(cluster, args)).items;
  };
  const readOnlyRequest = async (): Promise<StoredRequest> => {
    const [request, ...others] = await listRequests();
    expect(others).toEqual([]);
    if (request === undefined) throw new Error('expected an ApprovalRequest, got none');
    return request;
  };
  const decide = (user: string, verb: 'approve' | 'deny', request: StoredRequest, reason: string) =>
    users.run(user, [
      ...[verb, request.metadata.name, '-n', place.namespace],
      ...['--reason', reason, '--yes'],
    ]);

  let first: StoredRequest;
  let second: StoredRequest;

  it('is answered with what to approve, and the pod has one request', async () => {
    const refused = await callSidecarWithRetry(place, 'GET', '/v1/tasks/write/credentials');
    expect(refused).toMatchObject({ status: 403, body: { Code: 'approval_pending' } });
    const pending = await start();
    expect(pending).toMatchObject({ status: 202, body: { Code: 'approval_pending' } });
    expect(Number(pending.headers['retry-after'])).toBeGreaterThan(0);
    first = await readOnlyRequest();
    const command = `kubectl valetkey approve -n ${place.namespace} ${first.metadata.name}`;
    expect(pending.body.Message).toContain(command);
    expect((await waitForEvent(place, 'approval_pending')).message).toContain(command);
    expect(first.spec).toMatchObject({
      groups: [{ name: 'data-owners', quorum: 1 }],
      policies: [{ id: `${asking}/owners-decide` }],
      requester: { serviceAccount: 'agent', pod: place.pod, task: 'write' },
    });
  });

  it('does not delay the tasks that the policy does not name', async () => {
    expect((await start('read')).status).toBe(201);
    expect(await listRequests()).toHaveLength(1);
  });

  it('is not approved by a user without the right on the group, nor by that attempt', async () => {
    await expect(decide(REQUESTER, 'approve', first, 'mine')).rejects.toThrow(
      'on approvalgroups/data-owners in the whole cluster',
    );
    expect(await getJson(cluster, ['approvals', '-n', place.namespace])).toMatchObject({
      items: [],
    });
    expect((await start()).status).toBe(202);
  });

  it('starts once after an approver approved it, within its task', async () => {
    await decide(APPROVER, 'approve', first, 'one note');
    const { body } = await waitForStart(201);
    const env = toEnvironment(body.credentials);
    expect(await callCloudFromPod(place, 'put', 'work/approved.txt', { env })).toEqual({
      status: 200,
    });
    const record = await waitForRecord(
      'the approval that was used',
      ({ unmapped }) => unmapped.kind === 'approval.used' && unmapped.namespace === place.namespace,
    );
    expect(record.message).toContain(APPROVER);
  });

  it('asks again when it starts again: the approval was for one run', async () => {
    expect((await start()).body).toMatchObject({ Code: 'approval_pending' });
    second = await readOnlyRequest();
    expect(second.metadata.uid).not.toBe(first.metadata.uid);
  });

  it('is refused after a denial, also if another approval follows', async () => {
    await decide(APPROVER, 'deny', second, 'too wide');
    const denied = await waitForStart(403, 'approval_denied');
    expect(denied.body.Message).toContain(`${APPROVER} denied it: too wide`);
    expect(await readOnlyRequest()).toMatchObject({ status: { state: 'denied' } });
    await waitForRecord(
      'the denial',
      ({ unmapped }) =>
        unmapped.kind === 'approval.denied' && unmapped.namespace === place.namespace,
    );
    await decide(APPROVER, 'approve', second, 'after all');
    // The answer of the authority, no longer that which the sidecar kept: it names no one.
    await waitFor('another refusal by the authority', async () => {
      const { body } = await start();
      expect(body.Code).toBe('approval_denied');
      return body.Message?.includes('it was denied');
    });
  });
});

const gating = `e2e-gating-${testContext.entry}`;

const readAndWrite: Declaration = {
  delivery: 'sign',
  allow: [
    { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] },
    { actions: ['s3:PutObject'], resources: ['arn:aws:s3:::acme-data/work/*'] },
  ],
};

/** A sidecar has its runs decided again up to 30 s after a change, and again after an answer is missing. */
const POLICY_CHANGE = { timeoutMs: 120_000, intervalMs: 1_000 };

describe(`a policy that forbids single calls (${cloud.name})`, () => {
  const place: PodRef = { namespace: '', pod: 'gated' };

  beforeAll(async () => {
    await deletePolicies([gating]);
    place.namespace = await createNamespace('gated');
    const tasks = { work: readAndWrite };
    await runPod({ name: place.pod, namespace: place.namespace, tasks });
    await expectRead(place);
  });

  afterAll(() => deletePolicies([gating]));

  const write = () => callCloudFromPod(place, 'put', 'work/gated.txt');

  it('refuses them in a run that has started, and no others, until it is deleted', async () => {
    expect(await write()).toEqual({ status: 200 });
    const cedar = `@id("no-writes")
forbid (principal in Namespace::"${place.namespace}", action == Action::"call", resource)
when { context.action == "s3:PutObject" };`;
    await applyObjects(cluster, buildTaskPolicy(gating, cedar));
    expect(await waitForPolicyCondition(gating)).toMatchObject({ status: 'True' });
    const refused = await waitFor(
      'a refused write',
      async () => {
        const answer = await write();
        return answer.status !== 200 && answer;
      },
      POLICY_CHANGE,
    );
    const message = `valetkey: forbidden by ${gating}/no-writes (call_denied)`;
    expect(refused).toEqual({ status: 403, code: 'AccessDenied', message });
    expect(await callCloudFromPod(place, 'get', 'reports/q3.csv')).toEqual({ status: 200 });
    await deletePolicies([gating]);
    await waitFor('a write again', async () => (await write()).status === 200, POLICY_CHANGE);
  }, 300_000);
});
