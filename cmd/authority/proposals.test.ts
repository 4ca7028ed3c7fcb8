import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { PROPOSALS_PATH } from '../../lib/contract/authority-api.ts';
import type { TaskProposalSpec } from '../../lib/contract/proposals.ts';
import {
  buildExchangeForm,
  buildLivePod,
  buildTask,
  PATHS,
  PERMIT_ALL,
  podUid,
  putPolicy,
  startAuthorityHarness,
  TOKEN_PATH,
  type AuthorityHarness,
  type Replica,
} from './fixtures/authority-harness.ts';
import { waitUntil } from '../../test/kit/retry.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const PROPOSALS = '/apis/valetkey.dev/v1alpha1/namespaces/live/taskproposals';
const ONLY_READS =
  'permit (principal, action == Action::"run", resource) when { context.accessLevels == ["Read"] };';
const FORBIDS_WRITES = `${ONLY_READS}
  @id("no-writes") forbid (principal, action == Action::"run", resource) when { context.action == "s3:PutObject" };`;

const reportTask = buildTask({ name: 'report', delivery: 'sign', containers: ['agent'] });
const helperTask = buildTask({ name: 'summarize', delivery: 'sign', containers: ['helper'] });

const start = async (cedar = ONLY_READS): Promise<Replica> => {
  putPolicy(harness.api, cedar);
  const tasks = [reportTask, helperTask];
  harness.api.put(PATHS.pod, buildLivePod({ consumers: ['agent', 'helper'], tasks }));
  const replica = await harness.start();
  await replica.waitUntilReady();
  return replica;
};

const DATA = 'arn:aws:s3:::acme-data';
const put = (key: string) => ({ actions: ['s3:PutObject'], resources: [`${DATA}/${key}`] });

const propose = async (replica: Replica, change: object = {}) => {
  const proposal = { task: 'report', consumer: 'agent', allow: [put('reports/a')], ...change };
  const form = new URLSearchParams({
    subject_token: await harness.podToken(),
    proposal: JSON.stringify(proposal),
  });
  // A pod may ask twice a second.
  const { status, body } = await waitUntil(async () => {
    const answer = await replica.post(PROPOSALS_PATH, form.toString());
    return String(answer.body['reason']).startsWith('rate_limited') ? undefined : answer;
  });
  return { status, name: String(body['name']), reason: body['reason'], body };
};

const find = (name: string) =>
  harness.api.get(`${PROPOSALS}/${name}`) as unknown as
    { metadata: object; spec: TaskProposalSpec } | undefined;

describe('a proposal', () => {
  it('is written down with the texts of the authority, and recorded', async () => {
    const replica = await start();
    const { status, name, body } = await propose(replica, { reason: 'reports must be stored' });
    expect(status).toBe(201);
    expect(body).toEqual({ name: expect.stringMatching(/^tp-[0-9a-f]{20}$/) });
    const stored = find(name);
    expect(stored?.metadata).toMatchObject({ labels: { 'valetkey.dev/pod-uid': podUid } });
    const { expiresAt, ...spec } = stored?.spec ?? { expiresAt: '' };
    expect(spec).toEqual({
      requester: { serviceAccount: 'agent', pod: 'agent', podUid, consumer: 'agent' },
      task: 'report',
      allow: [put('reports/a')],
      annotation: [
        '--- task.valetkey.dev/report',
        '+++ task.valetkey.dev/report',
        '@@ allow @@',
        '+  - actions: ["s3:PutObject"]',
        `+    resources: ["${DATA}/reports/a"]`,
        '',
      ].join('\n'),
      cedar: expect.stringContaining('context.action == "s3:PutObject"'),
      reason: 'reports must be stored',
    });
    const days = (Date.parse(expiresAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(6.9);
    expect(days).toBeLessThanOrEqual(7);
    const record = harness.records().find(({ unmapped }) => unmapped.kind === 'proposal.created');
    expect(record).toMatchObject({
      class_uid: 3004,
      severity_id: 1,
      message: `s3:PutObject on ${DATA}/reports/a`,
    });
    const { text } = await replica.telemetry('/metrics');
    expect(text).toContain('valetkey_authority_proposals_total{outcome="created"} 1');
  });

  it('permits by its policy exactly what is proposed, once people apply it', async () => {
    const replica = await start();
    const { name } = await propose(replica);
    const denied = 'policy_denied';
    const ask = async (key: string) => {
      const task = { ...reportTask, allow: [put(key)] };
      harness.api.put(
        PATHS.pod,
        buildLivePod({ consumers: ['agent', 'helper'], tasks: [task, helperTask] }),
      );
      const form = buildExchangeForm(await harness.podToken(), { task: 'report' });
      const answer = await replica.post(TOKEN_PATH, `${form}&capabilities=gates`);
      return answer.body['reason'] ?? answer.status;
    };
    expect(await ask('reports/a')).toBe(denied);
    putPolicy(harness.api, find(name)?.spec.cedar ?? '', 'proposed');
    await waitUntil(async () => ((await ask('reports/a')) === 200 ? true : undefined));
    await waitUntil(async () => ((await ask('reports/b')) === denied ? true : undefined));
  });

  it('has no policy where policy permits it, and no diff where the task declares it', async () => {
    const permitted = await propose(await start(PERMIT_ALL));
    expect(find(permitted.name)?.spec).toMatchObject({ cedar: '' });
    await harness.close();
    harness = await startAuthorityHarness();
    const nothing = 'permit (principal, action == Action::"run", resource) when { false };';
    const allow = [{ actions: ['s3:GetObject'], resources: [`${DATA}/reports/*`] }];
    const declared = await propose(await start(nothing), { allow });
    expect(find(declared.name)?.spec).toMatchObject({ allow, annotation: '' });
    expect(find(declared.name)?.spec.cedar).not.toBe('');
  });

  it('is one for each content', async () => {
    const replica = await start();
    const { name } = await propose(replica);
    expect(await propose(replica, { reason: 'again' })).toMatchObject({ status: 201, name });
    expect(find(name)?.spec.reason).toBeUndefined();
    const created = harness
      .records()
      .filter(({ unmapped }) => unmapped.kind === 'proposal.created');
    expect(created).toHaveLength(1);
  });
});

describe('a proposal whose time is over', () => {
  it('does not count, and is made again', async () => {
    const replica = await start();
    const { name } = await propose(replica);
    const found = find(name);
    const metadata = { ...found?.metadata, name, namespace: 'live', uid: 'of-the-old-one' };
    const spec = { ...found?.spec, expiresAt: '2026-01-01T00:00:00Z' };
    harness.api.put(`${PROPOSALS}/${name}`, { metadata, spec });
    expect(await propose(replica)).toMatchObject({ status: 201, name });
    expect(find(name)?.metadata).not.toMatchObject({ uid: 'of-the-old-one' });
    expect(Date.parse(find(name)?.spec.expiresAt ?? '')).toBeGreaterThan(Date.now());
  });
});

describe('a proposal that is refused', () => {
  it.each([
    [
      'of a minting action',
      { allow: [{ actions: ['sts:AssumeRole'], resources: ['*'] }] },
      'proposal_invalid',
    ],
    [
      'of an action that no catalog has',
      { allow: [{ actions: ['s3:Fly'], resources: ['*'] }] },
      'proposal_invalid',
    ],
    [
      'of a resource that the action cannot take',
      {
        allow: [
          { actions: ['s3:PutObject'], resources: ['arn:aws:sqs:eu-central-1:111122223333:q'] },
        ],
      },
      'proposal_invalid',
    ],
    ['with hidden characters', { allow: [put('reports/\u202ea')] }, 'proposal_invalid'],
    ['with a policy variable', { allow: [put('${aws:username}')] }, 'proposal_invalid'],
    [
      'of 17 pairs',
      {
        allow: [{ ...put(''), resources: Array.from({ length: 17 }, (_, at) => `${DATA}/${at}`) }],
      },
      'request_malformed',
    ],
    [
      'of 17 pairs in two statements',
      {
        allow: [
          put('x'),
          { ...put(''), resources: Array.from({ length: 16 }, (_, at) => `${DATA}/${at}`) },
        ],
      },
      'request_malformed',
    ],
    ['for a task of another container', { task: 'summarize' }, 'consumer_not_allowed'],
    ['for no task of the pod', { task: 'other' }, 'task_unknown'],
    [
      'for what the task has',
      { allow: [{ actions: ['s3:GetObject'], resources: [`${DATA}/reports/*`] }] },
      'proposal_needless',
    ],
    ['with a reason that is too long', { reason: 'x'.repeat(257) }, 'request_malformed'],
  ])('%s', async (_, change, reason) => {
    const replica = await start();
    expect(await propose(replica, change)).toMatchObject({ reason });
    expect(harness.records().some(({ unmapped }) => unmapped.kind === 'proposal.created')).toBe(
      false,
    );
  });

  it('because a policy forbids it: no permit would help', async () => {
    const replica = await start(FORBIDS_WRITES);
    const { status, reason, body } = await propose(replica, { allow: [put('reports/a')] });
    expect({ status, reason }).toEqual({ status: 403, reason: 'policy_denied' });
    expect(body['policies']).toEqual(['all/no-writes']);
  });

  it('because the pod was revoked', async () => {
    const replica = await start();
    harness.api.put(`${PATHS.revocations}/stop`, {
      metadata: { name: 'stop', uid: 'u', creationTimestamp: new Date().toISOString() },
      spec: { namespace: 'live', reason: 'incident', by: 'ada' },
    });
    await waitUntil(async () => ((await propose(replica)).reason === 'revoked' ? true : undefined));
  });

  it('because too many are open, until they end', async () => {
    const replica = await start();
    for (let at = 0; at < 5; at += 1) {
      expect(await propose(replica, { allow: [put(`reports/${at}`)] })).toMatchObject({
        status: 201,
      });
    }
    const sixth = { allow: [put('reports/6')] };
    expect(await propose(replica, sixth)).toMatchObject({
      status: 429,
      reason: 'too_many_proposals',
    });
    // What is open is found, also then.
    expect(await propose(replica, { allow: [put('reports/0')] })).toMatchObject({ status: 201 });
  });

  it('because too many of the namespace are open', async () => {
    const replica = await start();
    const { name } = await propose(replica);
    const found = find(name);
    for (let at = 10; at < 29; at += 1) {
      const copy = `tp-${String(at).padStart(20, '0')}`;
      const requester = { ...found?.spec.requester, podUid: `other-${at}` };
      harness.api.put(`${PROPOSALS}/${copy}`, {
        metadata: { ...found?.metadata, name: copy, namespace: 'live', uid: copy },
        spec: { ...found?.spec, requester },
      });
    }
    const next = { allow: [put('reports/next')] };
    expect(await propose(replica, next)).toMatchObject({
      status: 429,
      reason: 'too_many_proposals',
    });
  });
});

describe("the agent's words", () => {
  it('are one line without hidden characters', async () => {
    const replica = await start();
    const reason = 'please\napprove \u202eevil\u200b';
    const { name } = await propose(replica, { reason });
    expect(find(name)?.spec.reason).toBe(String.raw`please\u{a}approve \u{202e}evil\u{200b}`);
  });
});
