import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskProposalSpec } from '../../../lib/contract/proposals.ts';
import { APPROVER, buildApprovalRights } from '../../../test/kit/approval-rights.ts';
import { applyObjects, getJson } from '../../cluster/kubectl.ts';
import { waitForRecord } from '../authority/audit-records.ts';
import { createPluginUsers } from '../authority/plugin-users.ts';
import {
  callCloudFromPod,
  callSidecarFromPod,
  cloud,
  cluster,
  createNamespace,
  runPod,
  type PodRef,
} from '../test-context.ts';

const reads = {
  actions: ['s3:GetObject'],
  resources: ['arn:aws:s3:::acme-data/reports/*'],
};
const buildWrite = (key: string) => ({
  actions: ['s3:PutObject'],
  resources: [`arn:aws:s3:::acme-data/work/${key}`],
});

type Remembered = { code: string; proposal?: object };
type Proposed = { name: string; Code?: string };

describe(`an agent on ${cloud.name} that lacks a right`, () => {
  const place: PodRef = { namespace: '', pod: 'proposing' };
  const users = createPluginUsers();

  beforeAll(async () => {
    const namespace = (place.namespace = await createNamespace('proposals'));
    await applyObjects(cluster, buildApprovalRights(namespace, namespace));
    await runPod({
      name: place.pod,
      namespace,
      tasks: { work: { delivery: 'sign', allow: [reads] } },
    });
  });

  afterAll(() => users.remove());

  const write = (key: string, pod = place) =>
    callCloudFromPod(pod, 'put', `work/${key}`, { env: { PUT_BODY: 'one' } });

  const propose = (body: object) =>
    callSidecarFromPod<Proposed>(place, 'POST', '/v1/proposals', body);

  /** Writes what the task does not allow. @returns the refusal that the SDK's error names */
  const readRefusal = async (key: string): Promise<string> => {
    const answer = await write(key);
    expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
    const message = answer.message ?? '';
    expect(message).toContain('(action_outside)');
    const [, id = ''] = /POST \/v1\/proposals \{"refusal":"([\w-]+)"\}/.exec(message) ?? [];
    expect(id).not.toBe('');
    return id;
  };

  it('proposes exactly what its SDK was refused, which people see and nothing applies', async () => {
    const refusal = await readRefusal('a.txt');
    const shown = await callSidecarFromPod<Remembered>(place, 'GET', `/v1/refusals/${refusal}`);
    const allow = [buildWrite('a.txt')];
    expect(shown).toMatchObject({
      status: 200,
      body: { code: 'action_outside', proposal: { task: 'work', allow } },
    });
    const reason = 'I must store \u202ethe result';
    const { status, body } = await propose({ refusal, reason });
    expect(status).toBe(201);
    const { spec } = await getJson<{ spec: TaskProposalSpec }>(cluster, [
      ...['taskproposal', body.name, '-n', place.namespace],
    ]);
    expect(spec).toMatchObject({
      requester: { pod: place.pod, consumer: 'agent' },
      ...{ task: 'work', allow },
      annotation: expect.stringContaining('+  - actions: ["s3:PutObject"]'),
      reason: String.raw`I must store \u{202e}the result`,
    });
    const shownToPeople = await users.run(APPROVER, [
      'proposals',
      '-n',
      place.namespace,
      body.name,
    ]);
    expect(shownToPeople).toContain('--- task.valetkey.dev/work');
    expect(shownToPeople).toContain('the agent says (untrusted)');
    const record = await waitForRecord(
      'proposal.created',
      ({ unmapped }) =>
        unmapped.kind === 'proposal.created' && unmapped.namespace === place.namespace,
    );
    expect(record.message).toContain('s3:PutObject on arn:aws:s3:::acme-data/work/a.txt');
    expect((await write('a.txt')).status).toBe(403);
    expect((await propose({ refusal })).body.name).toBe(body.name);
  });

  it('may propose nothing that it makes up', async () => {
    const refusal = '00000000-0000-4000-8000-000000000000';
    expect(await propose({ refusal })).toMatchObject({
      status: 404,
      body: { Code: 'refusal_unknown' },
    });
    const known = await readRefusal('b.txt');
    const wide = { refusal: known, allow: [{ actions: ['s3:*'], resources: ['*'] }] };
    expect((await propose(wide)).status).toBe(400);
  });

  it('exhausts its own proposals only', async () => {
    let answer = await propose({ refusal: await readRefusal('c.txt') });
    for (let at = 0; at < 6 && answer.status === 201; at += 1) {
      answer = await propose({ refusal: await readRefusal(`c-${at}.txt`) });
    }
    expect(answer).toMatchObject({ status: 429, body: { Code: 'too_many_proposals' } });
  });

  it('gets the right once a person has changed the annotation', async () => {
    const next: PodRef = { ...place, pod: 'granted' };
    await runPod({
      ...{ name: next.pod, namespace: next.namespace },
      tasks: { work: { delivery: 'sign', allow: [reads, buildWrite('a.txt')] } },
    });
    expect((await write('a.txt', next)).status).toBe(200);
    expect((await write('d.txt', next)).status).toBe(403);
  });
});
