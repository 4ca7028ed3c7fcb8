import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  CALLS_PATH,
  DECISIONS_PATH,
  DELEGATIONS_PATH,
  RECORDS_PATH,
  REVOKE_PATH,
} from '../../lib/contract/authority-api.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  buildExchangeForm,
  buildLivePod,
  buildTask,
  PATHS,
  PERMIT_ALL,
  putPolicy,
  startAuthorityHarness,
  TOKEN_PATH,
  type AuthorityHarness,
  type Replica,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const REPORTS = 'arn:aws:s3:::acme-data/reports';
const allow = [{ actions: ['s3:GetObject'], resources: [`${REPORTS}/*`] }];
const NO_READS = `${PERMIT_ALL}
@id("no-reads") forbid (principal, action == Action::"call", resource)
when { context has bytes && context.bytes > 100 };`;
const call = {
  operation: 's3:GetObject',
  permissions: [{ action: 's3:GetObject', resource: `${REPORTS}/a` }],
  bytes: 101,
};
const calls = {
  ...{ from: 0, to: 0, hash: 'ab'.repeat(32), startedAt: 1, endedAt: 2 },
  counts: { allowed: 1, refused: 0, failed: 0, cut: 0 },
  ...{ bytesIn: 1, bytesOut: 2, refusals: [], used: [], omitted: { refusals: 0, used: 0 } },
};

const start = async () => {
  putPolicy(harness.api, NO_READS);
  const task = buildTask({ name: 'summarize', delivery: 'sign', allow });
  harness.api.put(PATHS.pod, buildLivePod({ consumers: ['agent', 'helper'], tasks: [task] }));
  const replica = await harness.start(harness.configure());
  await replica.waitUntilReady();
  return replica;
};

const startRun = async (replica: Replica) => {
  const form = `${buildExchangeForm(await harness.podToken())}&capabilities=gates`;
  const { body } = await replica.post(TOKEN_PATH, form);
  return {
    run: body['run'] as string,
    ticket: body['ticket'] as string,
    deadline: body['deadline_ms'] as number,
  };
};

const post = async (replica: Replica, path: string, fields: Record<string, string>) => {
  const form = { subject_token: await harness.podToken(), ...fields };
  return (await replica.post(path, new URLSearchParams(form).toString())).status;
};

type HarnessRecord = ReturnType<AuthorityHarness['records']>[number];

const findRecord = (kind: string): HarnessRecord | undefined =>
  harness.records().find(({ unmapped }) => unmapped.kind === kind);

/** What every record of an event of a run says about the run. */
const pickRunMembers = (record: HarnessRecord | undefined) => {
  const { user, actor, session, unmapped } = record as unknown as {
    readonly user: object;
    readonly actor: { readonly app_name: string; readonly authorizations?: object };
    readonly session: { readonly uid: string; readonly expiration_time?: number };
    readonly unmapped: Readonly<Record<string, unknown>>;
  };
  return {
    ...{ user, consumer: actor.app_name, policies: actor.authorizations },
    ...{ run: session.uid, deadline: session.expiration_time },
    ...{ pod: unmapped['pod'], podUid: unmapped['pod_uid'], task: unmapped['task'] },
  };
};

describe('the records of a run', () => {
  it('each have its agent, pod, task, policies, decision and deadline', async () => {
    const replica = await start();
    const { run, ticket, deadline } = await startRun(replica);
    const details = {
      task: 'read',
      audience: { namespace: 'live', serviceAccount: 'agent' },
      allow,
    };
    const statuses = [
      await post(replica, RECORDS_PATH, { run, ticket, calls: JSON.stringify(calls) }),
      await post(replica, CALLS_PATH, { ticket, call: JSON.stringify(call), attempt: 'one' }),
      await post(replica, DELEGATIONS_PATH, { ticket, delegation: JSON.stringify(details) }),
      await post(replica, REVOKE_PATH, { token: run, reason: 'completed', ticket }),
    ];
    expect(statuses).toEqual([200, 403, 200, 200]);
    const issued = pickRunMembers(findRecord('run.issued'));
    expect(issued).toMatchObject({
      ...{ run, deadline, task: 'summarize', consumer: 'agent', pod: expect.any(String) },
      policies: [{ decision: 'allow', policy: { name: expect.any(String) } }],
    });
    for (const kind of ['run.calls', 'delegation.minted', 'run.ended']) {
      expect([kind, pickRunMembers(findRecord(kind))]).toEqual([kind, issued]);
    }
    // The decision about the call, not the one about the run.
    const version = expect.stringMatching(/^[0-9a-f]{64}$/);
    const denied = [{ decision: 'deny', policy: { name: 'all/no-reads', version } }];
    expect(pickRunMembers(findRecord('call.refused'))).toEqual({ ...issued, policies: denied });
  });

  it('say what denies a run that has started', async () => {
    const replica = await start();
    const { run, ticket, deadline } = await startRun(replica);
    putPolicy(harness.api, '@id("stop") forbid (principal, action, resource);');
    await waitUntil(async () => (await post(replica, DECISIONS_PATH, { ticket })) === 403);
    expect(pickRunMembers(findRecord('run.redecided'))).toMatchObject({
      ...{ run, deadline, task: 'summarize', consumer: 'agent' },
      policies: [{ decision: 'deny', policy: { name: 'all/stop' } }],
    });
  });

  it('have the run and the pod only if the ticket is missing, or of another run', async () => {
    const replica = await start();
    const [one, other] = [await startRun(replica), await startRun(replica)];
    const ended = { token: one.run, reason: 'completed' };
    expect(await post(replica, REVOKE_PATH, { ...ended, ticket: other.ticket })).toBe(200);
    const record = findRecord('run.ended');
    expect(pickRunMembers(record)).toMatchObject({ run: one.run, podUid: expect.any(String) });
    expect(record?.unmapped).not.toHaveProperty('task');
    const refused = { run: other.run, calls: JSON.stringify(calls) };
    expect(await post(replica, RECORDS_PATH, refused)).toBe(200);
  });
});
