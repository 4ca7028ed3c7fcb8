import { randomUUID } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  CALLS_PATH,
  TOKEN_PATH,
  type CallContent,
  type GatedCall,
} from '../../lib/contract/authority-api.ts';
import { AUTHORITY_ENV } from '../../lib/contract/environment.ts';
import {
  buildExchangeForm,
  buildLivePod,
  buildPlatformText,
  buildTask,
  PATHS,
  PERMIT_ALL,
  podUid,
  putPolicy,
  startAuthorityHarness,
  type AuthorityHarness,
  type Replica,
} from './fixtures/authority-harness.ts';
import { waitUntil } from '../../test/kit/retry.ts';

jest.setTimeout(60_000);

const REPORTS = 'arn:aws:s3:::acme-data/reports';
const REQUESTS = '/apis/valetkey.dev/v1alpha1/namespaces/live/approvalrequests';
const APPROVALS = '/apis/valetkey.dev/v1alpha1/namespaces/live/approvals';
const ASK = `@id("writes") @approval("data-owners")
forbid (principal, action == Action::"call", resource)
when { context.accessLevels.contains("Write") }
unless { context.approvals.contains("data-owners") };`;
const SECOND = { [AUTHORITY_ENV.podName]: 'valetkey-authority-1', [AUTHORITY_ENV.auditFolder]: '' };

type Stored = {
  metadata: { name: string; uid: string };
  spec: { digest: string; [name: string]: unknown };
  status?: { state: string };
};

let harness: AuthorityHarness;
let replica: Replica;
let ticket: string;

const startReplica = async (environment: Record<string, string> = {}): Promise<Replica> => {
  const started = await harness.start(harness.configure(environment));
  await started.waitUntilReady();
  return started;
};

const startTicket = async (): Promise<Record<string, unknown>> => {
  const form = `${buildExchangeForm(await harness.podToken())}&capabilities=gates`;
  return (await replica.post(TOKEN_PATH, form)).body;
};

beforeEach(async () => {
  harness = await startAuthorityHarness();
  putPolicy(harness.api, `${PERMIT_ALL} ${ASK}`);
  const allow = [{ actions: ['s3:GetObject', 's3:PutObject'], resources: [`${REPORTS}/*`] }];
  const task = buildTask({ name: 'summarize', delivery: 'sign', allow });
  harness.api.put(PATHS.pod, buildLivePod({ consumers: ['agent', 'helper'], tasks: [task] }));
  replica = await startReplica();
  ticket = (await startTicket())['ticket'] as string;
});
afterEach(() => harness.close());

const content: CallContent = {
  sha256: 'ab'.repeat(32),
  fields: [{ name: '/amount', value: '5' }],
};
const put: GatedCall = {
  operation: 's3:PutObject',
  permissions: [{ action: 's3:PutObject', resource: `${REPORTS}/draft` }],
  bytes: 5,
  content,
};

const ask = async (call: GatedCall = put, { attempt = randomUUID(), at = replica } = {}) => {
  const fields = {
    subject_token: await harness.podToken(),
    ticket,
    call: JSON.stringify(call),
    attempt,
  };
  const { status, body } = await at.post(CALLS_PATH, new URLSearchParams(fields).toString());
  return { status, body, reason: body['reason'] };
};

const findRequest = (name: string) => harness.api.get(`${REQUESTS}/${name}`) as unknown as Stored;

const readPending = async (call = put): Promise<Stored> => {
  const { body, reason } = await ask(call);
  expect(reason).toBe('approval_pending');
  return findRequest((body['approval'] as { name: string }).name);
};

/** A person decides. */
const decide = ({ metadata, spec }: Stored, change: object = {}): void => {
  const name = `${metadata.name}-${randomUUID().slice(0, 8)}`;
  harness.api.put(`${APPROVALS}/${name}`, {
    metadata: {
      ...{ name, namespace: 'live', uid: name, labels: { 'valetkey.dev/request': metadata.name } },
      creationTimestamp: new Date().toISOString(),
    },
    spec: {
      request: { name: metadata.name, uid: metadata.uid, digest: spec.digest },
      ...{ decision: 'approve', group: 'data-owners', by: 'mara@example.com', ...change },
    },
  });
};

const listKinds = () => harness.records().map(({ unmapped }) => unmapped.kind);

describe('a call that a policy asks people about', () => {
  it('is refused with what to approve, and people see what it does', async () => {
    const { status, body } = await ask();
    expect(status).toBe(403);
    const { name, ...approval } = body['approval'] as { name: string };
    expect(approval).toMatchObject({ namespace: 'live', groups: ['data-owners'], interval: 5 });
    expect(approval).not.toHaveProperty('hold');
    expect(body['error_description']).toContain(`kubectl valetkey approve -n live ${name}`);
    expect(findRequest(name).spec).toMatchObject({
      kind: 'call',
      policies: [{ id: 'all/writes' }],
      requester: { serviceAccount: 'agent', pod: 'agent', podUid, task: 'summarize', chain: [] },
      request: expect.arrayContaining([
        { name: 'operation', value: 's3:PutObject' },
        { name: 's3:PutObject', value: `${REPORTS}/draft` },
        { name: '/amount', value: '5' },
      ]),
    });
  });

  it('may wait for people as long as the platform says', async () => {
    const platform = buildPlatformText(harness.sts.port, '  approvals: {hold: 15s}\n');
    const other = await harness.start(harness.configure(SECOND, platform));
    await other.waitUntilReady();
    expect((await ask(put, { at: other })).body['approval']).toMatchObject({ hold: 15 });
  });

  it('is announced on the pod once', async () => {
    const { metadata } = await readPending();
    await readPending();
    const listEvents = () =>
      harness.api.requests.filter((one) => one.startsWith('POST') && one.includes('/events'));
    await waitUntil(() => (listEvents().length > 0 ? true : undefined));
    expect(listEvents()).toHaveLength(1);
    expect(metadata.name).toMatch(/^ar-/);
  });

  it('is allowed once after an approval, is recorded, and asks again', async () => {
    const request = await readPending();
    decide(request);
    expect(await ask()).toMatchObject({ status: 200, body: {} });
    expect(findRequest(request.metadata.name).status?.state).toBe('used');
    const again = await readPending();
    expect(again.metadata.uid).not.toBe(request.metadata.uid);
    const used = harness.records().find(({ unmapped }) => unmapped.kind === 'approval.used');
    expect(used?.['message']).toContain('mara@example.com');
  });

  it('does not make its run one that is not renewed ahead of time', async () => {
    expect(await startTicket()).not.toHaveProperty('approved');
  });

  it.each([
    ['another content', { ...put, content: { ...content, sha256: 'cd'.repeat(32) } }],
    ['another operation', { ...put, operation: 's3:CopyObject' }],
  ])('is another request with %s', async (_, changed) => {
    const request = await readPending();
    decide(request);
    const other = await readPending(changed);
    expect(other.metadata.name).not.toBe(request.metadata.name);
    expect((await ask()).status).toBe(200);
  });

  it('is the same request with other lines for people', async () => {
    decide(await readPending());
    const shown = { ...content, fields: [{ name: '/amount', value: '5.0' }] };
    expect((await ask({ ...put, content: shown })).status).toBe(200);
  });

  it('is refused without the hash of its content, and asks no one', async () => {
    const { operation, permissions } = put;
    expect(await ask({ operation, permissions })).toMatchObject({
      status: 403,
      reason: 'approval_needs_hash',
    });
    expect(listKinds()).not.toContain('approval.requested');
  });

  it('is denied at once where people could not allow it', async () => {
    const forbid =
      'forbid (principal, action == Action::"call", resource) when { context has bytes && context.bytes > 4 };';
    putPolicy(harness.api, forbid, 'large');
    await waitUntil(async () => ((await ask()).reason === 'call_denied' ? true : undefined));
    expect((await ask()).body['policies']).toEqual(['all/writes', 'large/0']);
  });

  it('is not allowed by an approval of an object that was deleted and made again', async () => {
    const request = await readPending();
    decide(request);
    harness.api.remove(`${REQUESTS}/${request.metadata.name}`);
    expect((await readPending()).metadata.name).toBe(request.metadata.name);
    expect((await ask()).reason).toBe('approval_pending');
  });

  it('is allowed by one of two replicas that are asked at once', async () => {
    const other = await startReplica(SECOND);
    decide(await readPending());
    const answers = await Promise.all([
      ask(),
      ask(put, { at: other }),
      ask(),
      ask(put, { at: other }),
    ]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('is allowed again to the same attempt for 30 s, by any replica', async () => {
    decide(await readPending());
    const attempt = randomUUID();
    expect((await ask(put, { attempt })).status).toBe(200);
    const other = await startReplica(SECOND);
    expect((await ask(put, { attempt, at: other })).status).toBe(200);
    harness.advanceClock(31_000);
    expect((await ask(put, { attempt })).status).not.toBe(200);
  });

  it('keeps its approval when another policy changes, but not when the asking one does', async () => {
    const countPolicies = () => listKinds().filter((kind) => kind === 'policy.changed').length;
    const change = async (cedar: string, name: string): Promise<void> => {
      const before = countPolicies();
      putPolicy(harness.api, cedar, name);
      await waitUntil(() => (countPolicies() > before ? true : undefined));
    };
    decide(await readPending());
    await change('forbid (principal, action, resource) when { false };', 'other');
    expect((await ask()).status).toBe(200);
    decide(await readPending());
    await change(
      `${PERMIT_ALL} ${ASK.replace('unless', 'when { context.hour < 24 } unless')}`,
      'all',
    );
    expect((await ask()).reason).toBe('approval_policy_changed');
  });

  it('is one of at most ten of its pod that people are asked at a time, also if all arrive at once', async () => {
    const calls = Array.from({ length: 16 }, (_, at) => ({
      ...put,
      content: { ...content, sha256: at.toString(16).repeat(64) },
    }));
    const reasons = (await Promise.all(calls.map((call) => ask(call)))).map(({ reason }) => reason);
    const count = (code: string) => reasons.filter((reason) => reason === code).length;
    expect([count('approval_pending'), count('too_many_approvals')]).toEqual([10, 6]);
  });

  it('stays denied after a person denied it', async () => {
    decide(await readPending(), { decision: 'deny', reason: 'too wide' });
    expect((await ask()).reason).toBe('approval_denied');
    expect((await ask()).reason).toBe('approval_denied');
  });

  it('neither asks nor is allowed while the API server does not answer', async () => {
    decide(await readPending());
    harness.api.fail(/leases/, 503);
    expect(await ask()).toMatchObject({ status: 503, reason: 'approvals_unavailable' });
    harness.api.recover();
    expect((await ask()).status).toBe(200);
  });
});

describe('break-glass', () => {
  const emergency = { incident: 'INC-7' };
  const declare = async (by = 'mara@example.com', call = put): Promise<Stored> => {
    const request = await readPending(call);
    decide(request, { emergency, by });
    return request;
  };
  const other: GatedCall = { ...put, content: { ...content, sha256: 'cd'.repeat(32) } };

  it('lets one person decide alone, once, and is recorded', async () => {
    await declare();
    expect((await ask()).status).toBe(200);
    expect(
      harness.records().find(({ unmapped }) => unmapped.kind === 'emergency.used'),
    ).toMatchObject({
      severity_id: 4,
      message: expect.stringMatching(/data-owners.*mara@example.com.*INC-7/),
    });
  });

  it('is refused for the group until another person has reviewed it', async () => {
    const first = await declare();
    expect((await ask()).status).toBe(200);
    await declare('jo@example.com', other);
    const refused = await ask(other);
    expect(refused.reason).toBe('emergency_unreviewed');
    expect(refused.body['error_description']).toContain(
      `kubectl valetkey review -n live ${first.metadata.name}`,
    );
    decide(first, { decision: 'review', by: 'mara@example.com' });
    expect((await ask(other)).reason).toBe('emergency_unreviewed');
    decide(first, { decision: 'review', by: 'jo@example.com' });
    expect((await ask(other)).status).toBe(200);
    const reviewed = harness
      .records()
      .filter(({ unmapped }) => unmapped.kind === 'emergency.reviewed');
    expect(reviewed).toMatchObject([{ severity_id: 3 }]);
  });

  it('keeps its request until it is reviewed, also when the same call is asked about again', async () => {
    const first = await declare();
    expect((await ask()).status).toBe(200);
    expect((await ask()).reason).toBe('emergency_unreviewed');
    expect(findRequest(first.metadata.name).metadata.uid).toBe(first.metadata.uid);
    decide(first, { decision: 'review', by: 'jo@example.com' });
    expect((await ask()).reason).toBe('approval_pending');
  });
});
