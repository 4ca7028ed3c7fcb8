import { randomUUID } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { DECISIONS_PATH, TOKEN_PATH } from '../../lib/contract/authority-api.ts';
import { AUTHORITY_ENV } from '../../lib/contract/environment.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  buildExchangeForm,
  podUid,
  putPolicy,
  startAuthorityHarness,
  type AuthorityHarness,
  type Replica,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const MINUTE = 60_000;
const REQUESTS = '/apis/valetkey.dev/v1alpha1/namespaces/live/approvalrequests';
const APPROVALS = '/apis/valetkey.dev/v1alpha1/namespaces/live/approvals';

const ASK = `@id("ask") @approval("data-owners") forbid (principal, action == Action::"run", resource)
  unless { context.approvals.contains("data-owners") };`;

type Stored = {
  metadata: { name: string; uid: string };
  spec: { digest: string; [name: string]: unknown };
  status?: { state: string };
};

const startReplica = async (environment: Record<string, string> = {}): Promise<Replica> => {
  const replica = await harness.start(harness.configure(environment));
  await replica.waitUntilReady();
  return replica;
};

const STALE = new Set(['revocations_unavailable', 'policy_unavailable', 'signing_keys_stale']);

const advanceClock = (ms: number): void => {
  harness.advanceClock(ms);
  harness.api.endWatches();
};

const ask = async (replica: Replica, attempt: string = randomUUID(), task = 'summarize') => {
  const form = `${buildExchangeForm(await harness.podToken(), { task })}&attempt=${attempt}`;
  // After a change of the clock, the watches are stale until their next contact.
  const { status, body } = await waitUntil(async () => {
    const answer = await replica.post(TOKEN_PATH, form);
    return STALE.has(String(answer.body['reason'])) ? undefined : answer;
  });
  return { status, body, reason: body['reason'] };
};

const findRequest = (name: string): Stored =>
  harness.api.get(`${REQUESTS}/${name}`) as unknown as Stored;

const SECOND = {
  [AUTHORITY_ENV.podName]: 'valetkey-authority-1',
  // Records on standard output only.
  [AUTHORITY_ENV.auditFolder]: '',
};

/** Waits until the replica has compiled its n-th set of policies, which it records. */
const readPolicies = (count: number) =>
  waitUntil(() => {
    const changes = harness.records().filter(({ unmapped }) => unmapped.kind === 'policy.changed');
    return changes.length >= count ? true : undefined;
  });

/** Paths of all Approvals. */
let decided: string[] = [];
beforeEach(() => {
  decided = [];
});

/** A person decides. */
const decide = ({ metadata, spec }: Stored, change: object = {}): void => {
  const name = `${metadata.name}-${randomUUID().slice(0, 8)}`;
  decided.push(`${APPROVALS}/${name}`);
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

const readPending = async (replica: Replica): Promise<Stored> => {
  const { body, reason } = await ask(replica);
  expect(reason).toBe('approval_pending');
  return findRequest((body['approval'] as { name: string }).name);
};

describe('a run that a policy asks people about', () => {
  let replica: Replica;
  beforeEach(async () => {
    putPolicy(harness.api, ASK, 'asking');
    replica = await startReplica();
  });

  it('is refused with what to approve, and writes the parsed request', async () => {
    const { status, body } = await ask(replica);
    expect(status).toBe(403);
    expect(body).toMatchObject({
      error: 'access_denied',
      reason: 'approval_pending',
      approval: { namespace: 'live', groups: ['data-owners'], interval: 5 },
    });
    const { name, expires_in } = body['approval'] as { name: string; expires_in: number };
    expect(expires_in).toBeGreaterThan(890);
    expect(body['error_description']).toContain(`kubectl valetkey approve -n live ${name}`);
    expect(findRequest(name)).toMatchObject({
      metadata: { labels: { 'valetkey.dev/pod-uid': podUid } },
      spec: {
        kind: 'run',
        groups: [{ name: 'data-owners', quorum: 1 }],
        policies: [{ id: 'asking/ask' }],
        requester: { serviceAccount: 'agent', pod: 'agent', podUid, task: 'summarize' },
        request: expect.arrayContaining([
          { name: 'actions 1', value: 's3:GetObject' },
          { name: 'resources 1', value: 'arn:aws:s3:::acme-data/reports/*' },
        ]),
      },
    });
  });

  it('is asked once, however often the same request is repeated', async () => {
    const first = await readPending(replica);
    const second = await readPending(replica);
    expect(second.metadata.uid).toBe(first.metadata.uid);
  });

  it('is issued once after an approval, and is recorded', async () => {
    const request = await readPending(replica);
    decide(request);
    const issued = await ask(replica);
    expect(issued).toMatchObject({ status: 200, body: { approved: true } });
    await waitUntil(() => findRequest(request.metadata.name).status?.state);
    expect(findRequest(request.metadata.name).status?.state).toBe('used');
    const again = await readPending(replica);
    expect(again.metadata.uid).not.toBe(request.metadata.uid);
    expect((await ask(replica)).reason).toBe('approval_pending');
    const kinds = harness.records().map(({ unmapped }) => unmapped.kind);
    expect(kinds).toEqual(
      expect.arrayContaining(['approval.requested', 'approval.observed', 'approval.used']),
    );
    expect(kinds.filter((kind) => kind === 'approval.observed')).toHaveLength(1);
    const ofRun = kinds.filter((kind) => /^(run.i|approval.u)/.test(kind));
    expect(ofRun).toEqual(['run.intent', 'approval.used', 'run.issued']);
  });

  it('is counted, with the time that the decision took', async () => {
    decide(await readPending(replica));
    await ask(replica);
    const { text } = await replica.telemetry('/metrics');
    expect(text).toContain('valetkey_authority_approval_requests_total 1');
    expect(text).toContain('valetkey_authority_approvals_used_total{outcome="used"} 1');
    expect(text).toContain('valetkey_authority_approval_wait_seconds_count 1');
    expect(text).toMatch(/valetkey_authority_approvals\{state="pending"\} \d/);
  });

  it('is allowed by its ticket for as long as it lasts, also when policy is evaluated again', async () => {
    decide(await readPending(replica));
    const { body } = await ask(replica);
    const form = { subject_token: await harness.podToken(), ticket: String(body['ticket']) };
    const again = await replica.post(DECISIONS_PATH, new URLSearchParams(form).toString());
    expect([again.status, again.body['gates']]).toEqual([200, []]);
  });

  it('keeps its approval where something else refuses it', async () => {
    putPolicy(harness.api, 'forbid (principal, action == Action::"call", resource);', 'calls');
    await readPolicies(2);
    decide(await readPending(replica));
    expect((await ask(replica)).reason).toBe('call_needs_sign');
    expect(harness.records().map(({ unmapped }) => unmapped.kind)).not.toContain('approval.used');
  });

  it('does not count an approval for an object that was deleted and made again', async () => {
    const request = await readPending(replica);
    decide(request);
    harness.api.remove(`${REQUESTS}/${request.metadata.name}`);
    const remade = await readPending(replica);
    expect(remade.metadata.name).toBe(request.metadata.name);
    expect((await ask(replica)).reason).toBe('approval_pending');
  });

  it('is issued by one of two replicas that use the approval at once', async () => {
    const other = await startReplica(SECOND);
    decide(await readPending(replica));
    const answers = await Promise.all([ask(replica), ask(other), ask(replica), ask(other)]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const others = answers.filter(({ status }) => status !== 200).map(({ reason }) => reason);
    expect(others.every((each) => each === 'approval_used' || each === 'approval_pending')).toBe(
      true,
    );
  });

  it('is issued again to the same attempt for 30 s, because its answer may be lost', async () => {
    decide(await readPending(replica));
    const attempt = randomUUID();
    expect((await ask(replica, attempt)).status).toBe(200);
    expect((await ask(await startReplica(SECOND), attempt)).status).toBe(200);
    advanceClock(31_000);
    expect((await ask(replica, attempt)).reason).toBe('approval_pending');
  });

  it('stays denied until the request expires, also after every object was deleted', async () => {
    const request = await readPending(replica);
    decide(request, { decision: 'deny', reason: 'too wide' });
    const denied = await ask(replica);
    expect(denied.reason).toBe('approval_denied');
    expect(denied.body['error_description']).toContain('mara@example.com denied it: too wide');
    for (const path of decided) harness.api.remove(path);
    decide(request);
    expect((await ask(replica)).reason).toBe('approval_denied');
    harness.api.remove(`${REQUESTS}/${request.metadata.name}`);
    expect((await ask(replica)).reason).toBe('approval_denied');
    advanceClock(16 * MINUTE);
    expect((await ask(replica)).reason).toBe('approval_pending');
  });

  it('keeps its approval when another policy changes, but not when the asking one does', async () => {
    const request = await readPending(replica);
    decide(request);
    putPolicy(harness.api, 'forbid (principal, action, resource) when { false };', 'other');
    await readPolicies(2);
    expect((await ask(replica)).status).toBe(200);
    decide(await readPending(replica));
    putPolicy(harness.api, ASK.replace('unless', 'when { context.hour < 24 } unless'), 'asking');
    await readPolicies(3);
    expect((await ask(replica)).reason).toBe('approval_policy_changed');
    expect((await readPending(replica)).metadata.uid).not.toBe(request.metadata.uid);
  });

  it('expires: the answer says so once, and the same request asks again', async () => {
    const request = await readPending(replica);
    advanceClock(15 * MINUTE + 1_000);
    decide(request);
    expect((await ask(replica)).reason).toBe('approval_expired');
    expect((await readPending(replica)).metadata.uid).not.toBe(request.metadata.uid);
  });

  it('neither asks nor uses while the API server does not answer about approvals', async () => {
    harness.api.fail(/approvalrequests/, 503);
    expect(await ask(replica)).toMatchObject({ status: 503, reason: 'approvals_unavailable' });
    harness.api.recover();
    decide(await readPending(replica));
    harness.api.fail(/leases/, 503);
    expect(await ask(replica)).toMatchObject({ status: 503, reason: 'approvals_unavailable' });
    harness.api.recover();
    expect((await ask(replica)).status).toBe(200);
  });
});

describe('a run that people could not allow', () => {
  it('is refused by policy, and asks no one', async () => {
    putPolicy(
      harness.api,
      `${ASK} forbid (principal, action == Action::"run", resource);`,
      'asking',
    );
    const replica = await startReplica();
    expect((await ask(replica)).reason).toBe('policy_denied');
    expect(harness.api.requests.filter((each) => each.includes('/live/approvalrequests'))).toEqual(
      [],
    );
  });
});
