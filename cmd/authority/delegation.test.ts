import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  CALLS_PATH,
  CREDENTIALS_TYPE,
  DELEGATION_TYPE,
  DELEGATIONS_PATH,
  JWT_TYPE,
  REVOKE_PATH,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
  type DelegationDetails,
} from '../../lib/contract/authority-api.ts';
import { createDelegationSeals } from '../../lib/grant/delegations.ts';
import {
  buildExchangeForm,
  buildLivePod,
  buildPlatformText,
  buildTask,
  PATHS,
  PERMIT_ALL,
  putPolicy,
  startAuthorityHarness,
  TOKEN_PATH,
  type AuthorityHarness,
  type Replica,
  type TestResponse,
} from './fixtures/authority-harness.ts';
import { waitUntil } from '../../test/kit/retry.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const DATA = 'arn:aws:s3:::acme-data/reports';
const build = (name: string, resource: string, members: object = {}) =>
  buildTask({
    ...{ name, delegated: 'allowed', delivery: 'sign', containers: ['agent'] },
    allow: [{ actions: ['s3:GetObject', 's3:PutObject'], resources: [resource] }],
    ...members,
  });
/** One pod is every agent of these chains: nothing prevents it from delegating to itself. */
const tasks = [
  build('bait', `${DATA}/child/*`, { canary: true }),
  build('child', `${DATA}/child/*`),
  build('closed', `${DATA}/child/*`, { delegated: undefined }),
  build('other-role', `${DATA}/child/*`, { role: 'arn:aws:iam::111122223333:role/other' }),
  build('required', `${DATA}/child/*`, { delegated: 'required' }),
  build('summarize', `${DATA}/*`),
  build('vending', `${DATA}/child/*`, { delivery: 'vend', containers: ['helper'] }),
  build('wide', 'arn:aws:s3:::acme-data/*'),
  build('with-param', `${DATA}/{part}/*`, {
    params: { part: { pattern: '[a-z]+', maxLength: 9 } },
  }),
];

const start = async (cedar = PERMIT_ALL, platform?: string): Promise<Replica> => {
  putPolicy(harness.api, cedar);
  harness.api.put(PATHS.pod, buildLivePod({ consumers: ['agent', 'helper'], tasks }));
  const replica = await harness.start(harness.configure({}, platform));
  await replica.waitUntilReady();
  return replica;
};

const startRoot = async (replica: Replica): Promise<string> => {
  const form = `${buildExchangeForm(await harness.podToken())}&capabilities=gates`;
  return (await replica.post(TOKEN_PATH, form)).body['ticket'] as string;
};

const mint = async (
  replica: Replica,
  ticket: string,
  details: Partial<DelegationDetails> = {},
): Promise<TestResponse> => {
  const audience = { namespace: 'live', serviceAccount: 'agent' };
  const fields = {
    ...{ subject_token: await harness.podToken(), ticket },
    delegation: JSON.stringify({ task: 'child', audience, ...details }),
  };
  return replica.post(DELEGATIONS_PATH, new URLSearchParams(fields).toString());
};

const mintHandle = async (...given: Parameters<typeof mint>): Promise<string> =>
  (await mint(...given)).body['handle'] as string;

const use = async (
  replica: Replica,
  handle: string,
  {
    task = 'child',
    params = {},
    consumer = 'agent',
    attempt = 'aaaaaaaa-0000-4000-8000-000000000001',
    capabilities = 'gates',
  } = {},
): Promise<TestResponse> => {
  const fields = {
    grant_type: TOKEN_EXCHANGE_GRANT,
    requested_token_type: CREDENTIALS_TYPE,
    ...{ subject_token: handle, subject_token_type: DELEGATION_TYPE },
    ...{ actor_token: await harness.podToken(), actor_token_type: JWT_TYPE },
    ...{ capabilities, attempt },
    authorization_details: JSON.stringify([{ type: TASK_DETAILS_TYPE, task, consumer, params }]),
  };
  return replica.post(TOKEN_PATH, new URLSearchParams(fields).toString());
};

const SECOND = 'aaaaaaaa-0000-4000-8000-000000000002';
const read = [{ actions: ['s3:GetObject'], resources: [`${DATA}/child/a/*`] }];

describe('a delegated run', () => {
  it('of a canary is recorded with the run that sent its pod there', async () => {
    const replica = await start();
    const handle = await mintHandle(replica, await startRoot(replica), { task: 'bait' });
    expect((await use(replica, handle, { task: 'bait' })).body['reason']).toBe('policy_denied');
    const [touch] = harness.records().filter(({ unmapped }) => unmapped.kind === 'canary.touched');
    expect(touch?.unmapped).toMatchObject({
      delegation_chain: [{ namespace: 'live', service_account: 'agent', task: 'summarize' }],
    });
  });

  it('that calls a canary is recorded with the runs above it', async () => {
    const canaries = `  canaries: ['${DATA}/child/bait']\n`;
    const replica = await start(PERMIT_ALL, buildPlatformText(harness.sts.port, canaries));
    const form = `${buildExchangeForm(await harness.podToken())}&capabilities=gates+canaries`;
    const root = (await replica.post(TOKEN_PATH, form)).body['ticket'] as string;
    const capabilities = 'gates canaries';
    const { body } = await use(replica, await mintHandle(replica, root), { capabilities });
    const permissions = [{ action: 's3:GetObject', resource: `${DATA}/child/bait` }];
    const fields = {
      ...{ subject_token: await harness.podToken(), ticket: body['ticket'] as string },
      call: JSON.stringify({ operation: 's3:GetObject', permissions }),
    };
    const answer = await replica.post(CALLS_PATH, new URLSearchParams(fields).toString());
    expect(answer.body['reason']).toBe('call_denied');
    const [touch] = harness.records().filter(({ unmapped }) => unmapped.kind === 'canary.touched');
    expect(touch?.unmapped).toMatchObject({ delegation_chain: [{ task: 'summarize' }] });
  });

  it('gets what the handle names and no more, and ends with the run above it at the latest', async () => {
    const replica = await start();
    const handle = await mintHandle(replica, await startRoot(replica), { allow: read });
    harness.advanceClock(30_000);
    const { status, body } = await use(replica, handle);
    expect(status).toBe(200);
    expect(body['allow']).toEqual(read);
    expect(body['ancestors']).toHaveLength(1);
    expect(body['expires_in']).toBeLessThanOrEqual(570);
    const policy = decodeURIComponent(String(harness.sts.calls.at(-1)));
    expect(policy).toContain('child/a');
    expect(policy).not.toContain('s3:PutObject');
  });

  it('has the runs above it on its records, and no record or log line has a handle', async () => {
    const replica = await start();
    const handle = await mintHandle(replica, await startRoot(replica));
    const { body } = await use(replica, handle);
    const [parent] = body['ancestors'] as string[];
    const chain = [{ namespace: 'live', run: parent, service_account: 'agent', task: 'summarize' }];
    const kinds = harness
      .records()
      .filter(
        ({ unmapped }) => JSON.stringify(unmapped['delegation_chain']) === JSON.stringify(chain),
      )
      .map(({ unmapped }) => unmapped.kind);
    expect(kinds).toEqual(['delegation.used', 'run.intent', 'run.issued']);
    expect(harness.records().map(({ unmapped }) => unmapped.kind)).toContain('delegation.minted');
    expect(JSON.stringify([harness.records(), harness.lines])).not.toContain(handle.slice(0, 24));
  });

  it('delegates itself, for three hops and not for a fourth', async () => {
    const replica = await start();
    let ticket = await startRoot(replica);
    for (const hop of [1, 2, 3]) {
      const { body } = await use(replica, await mintHandle(replica, ticket));
      expect(body['ancestors']).toHaveLength(hop);
      ticket = body['ticket'] as string;
    }
    const fourth = await mint(replica, ticket);
    expect([fourth.status, fourth.body['reason']]).toEqual([403, 'delegation_too_deep']);
  });

  it('is refused to a run above which is a run that has ended, whichever that is', async () => {
    const replica = await start();
    const root = await startRoot(replica);
    const child = await use(replica, await mintHandle(replica, root));
    const handle = await mintHandle(replica, child.body['ticket'] as string);
    const [run = ''] = child.body['ancestors'] as string[];
    const fields = { token: run, reason: 'completed', delegated: 'true' };
    const form = { ...fields, subject_token: await harness.podToken() };
    const ended = await replica.post(REVOKE_PATH, new URLSearchParams(form).toString());
    expect(ended.status).toBe(200);
    await waitUntil(async () => (await use(replica, handle)).body['reason'] === 'revoked');
    expect((await mint(replica, root)).body['reason']).toBe('revoked');
    expect((await mint(replica, child.body['ticket'] as string)).body['reason']).toBe('revoked');
  });

  it('is decided by policy, which sees the run above it', async () => {
    const cedar = `${PERMIT_ALL}
      @id("hops") forbid (principal, action, resource)
      when { context has parent && context.parent.depth > 1 && context.parent.task == "child" };`;
    const replica = await start(cedar);
    const child = await use(replica, await mintHandle(replica, await startRoot(replica)));
    expect(child.status).toBe(200);
    const handle = await mintHandle(replica, child.body['ticket'] as string);
    expect((await use(replica, handle)).body).toMatchObject({
      reason: 'policy_denied',
      policies: ['all/hops'],
    });
  });

  it('may have another role that the platform lists', async () => {
    const role = 'arn:aws:iam::111122223333:role/other';
    const { buildPlatformText } = await import('./fixtures/authority-harness.ts');
    const text = buildPlatformText(harness.sts.port, `  delegableRoles: ["${role}"]\n`);
    const replica = await start(PERMIT_ALL, text);
    const handle = await mintHandle(replica, await startRoot(replica), { task: 'other-role' });
    expect((await use(replica, handle, { task: 'other-role' })).status).toBe(200);
  });
});

describe('attacks on delegations', () => {
  it('refuses a scope that the run does not have, at the mint', async () => {
    const replica = await start();
    const ticket = await startRoot(replica);
    const scopes = [
      ['s3:GetObject', 'arn:aws:s3:::acme-data/*'],
      ['s3:GetObject', '*'],
      ['s3:DeleteObject', `${DATA}/child/a`],
      ['s3:GetObject', 'arn:aws:s3:::other/reports/a'],
    ] as const;
    for (const [action, resource] of scopes) {
      const allow = [{ actions: [action], resources: [resource] }];
      const { status, body } = await mint(replica, ticket, { allow });
      expect([status, body['reason']]).toEqual([403, 'delegation_outside']);
    }
    const malformed = [
      ['s3:*', `${DATA}/a`],
      ['s3:GetObject', `${DATA}/{part}`],
    ] as const;
    for (const [action, resource] of malformed) {
      const allow = [{ actions: [action], resources: [resource] }];
      expect((await mint(replica, ticket, { allow })).body['reason']).toBe('delegation_malformed');
    }
  });

  it.each([
    ['a task that declares more than the run has', 'wide', 'delegation_outside', 'agent'],
    ['a task that refuses delegation', 'closed', 'delegation_refused', 'agent'],
    ['a task of another role', 'other-role', 'delegation_refused', 'agent'],
    ['a task that vends keys, where the run signs', 'vending', 'delegation_refused', 'helper'],
  ])('refuses %s, at the use', async (_what, task, reason, consumer) => {
    const replica = await start();
    const handle = await mintHandle(replica, await startRoot(replica), { task });
    const before = harness.sts.calls.length;
    expect((await use(replica, handle, { task, consumer })).body['reason']).toBe(reason);
    expect(harness.sts.calls).toHaveLength(before);
  });

  it('refuses a delegated scope that is wider than what the pod declares', async () => {
    const replica = await start();
    const allow = [{ actions: ['s3:GetObject'], resources: [`${DATA}/*`] }];
    const handle = await mintHandle(replica, await startRoot(replica), { allow });
    expect((await use(replica, handle)).body['reason']).toBe('delegation_outside');
  });

  it.each([
    ['a wider scope', { allow: read, lifetime: 60 }, { lifetime: 60 }],
    ['a longer lifetime', { allow: read, lifetime: 60 }, { allow: read }],
  ])('asks people again about a handle with %s', async (_what, asked, other) => {
    const ask = `@id("ask") @approval("data-owners")
      forbid (principal, action == Action::"run", resource) when { context has parent }
      unless { context.approvals.contains("data-owners") };`;
    const replica = await start(`${PERMIT_ALL} ${ask}`);
    const ticket = await startRoot(replica);
    const present = async (details: Partial<DelegationDetails>) => {
      const { body } = await use(replica, await mintHandle(replica, ticket, details));
      return (body['approval'] as { name: string }).name;
    };
    const name = await present(asked);
    expect(await present(asked)).toBe(name);
    expect(await present(other)).not.toBe(name);
  });

  it('widens nothing by delegating again', async () => {
    const replica = await start();
    const handle = await mintHandle(replica, await startRoot(replica), { allow: read });
    const ticket = (await use(replica, handle)).body['ticket'] as string;
    const all = [{ actions: ['s3:GetObject'], resources: [`${DATA}/child/*`] }];
    expect((await mint(replica, ticket, { allow: all })).body['reason']).toBe('delegation_outside');
    const implicit = await mintHandle(replica, ticket);
    expect((await use(replica, implicit, { attempt: SECOND })).body['reason']).toBe(
      'delegation_outside',
    );
  });

  it('refuses a handle that was used, except to the same attempt', async () => {
    const replica = await start();
    const handle = await mintHandle(replica, await startRoot(replica));
    expect((await use(replica, handle)).status).toBe(200);
    expect((await use(replica, handle)).status).toBe(200);
    expect((await use(replica, handle, { attempt: SECOND })).body['reason']).toBe(
      'delegation_used',
    );
  });

  it('refuses a handle to any other service account, task or value of a param', async () => {
    const replica = await start();
    const ticket = await startRoot(replica);
    const others = [
      { namespace: 'live', serviceAccount: 'other' },
      { namespace: 'other', serviceAccount: 'agent' },
    ];
    for (const audience of others) {
      const handle = await mintHandle(replica, ticket, { audience });
      expect((await use(replica, handle)).body['reason']).toBe('delegation_foreign');
    }
    const task = 'with-param';
    const handle = await mintHandle(replica, ticket, { task, params: { part: 'child' } });
    const reasons = [
      (await use(replica, handle)).body['reason'],
      (await use(replica, handle, { task, params: { part: 'others' } })).body['reason'],
    ];
    expect(reasons).toEqual(['delegation_foreign', 'delegation_foreign']);
    expect((await use(replica, handle, { task, params: { part: 'child' } })).status).toBe(200);
  });

  it('refuses a handle after a minute, and one that it did not seal', async () => {
    const replica = await start();
    const handle = await mintHandle(replica, await startRoot(replica));
    const forged = createDelegationSeals(Buffer.alloc(32, 1)).seal({
      parent: {
        ...{
          run: 'x',
          namespace: 'live',
          serviceAccount: 'agent',
          task: 't',
          pod: 'p',
          podUid: 'u',
        },
        ...{ provider: 'aws', role: 'r', delivery: 'vend', deadline: 9e15, allow: [], chain: [] },
      },
      ...{ task: 'child', params: {}, expiresAt: 9e15 },
      audience: { namespace: 'live', serviceAccount: 'agent' },
    });
    expect((await use(replica, forged ?? '')).body['reason']).toBe('delegation_invalid');
    const last = handle.at(-1) === 'A' ? 'B' : 'A';
    expect((await use(replica, handle.slice(0, -1) + last)).body['reason']).toBe(
      'delegation_invalid',
    );
    harness.advanceClock(61_000);
    expect((await use(replica, handle)).body['reason']).toBe('delegation_expired');
  });

  it('refuses a run that requires a delegation without one', async () => {
    const replica = await start();
    const form = buildExchangeForm(await harness.podToken()).replaceAll('summarize', 'required');
    expect((await replica.post(TOKEN_PATH, form)).body['reason']).toBe('delegation_required');
  });

  it('mints nothing for a run that policy no longer allows, or that has almost ended', async () => {
    const replica = await start();
    const ticket = await startRoot(replica);
    const short = await use(replica, await mintHandle(replica, ticket, { lifetime: 30 }));
    const next = await mint(replica, short.body['ticket'] as string);
    expect(next.body['reason']).toBe('delegation_expired');
    putPolicy(harness.api, 'forbid (principal, action, resource);');
    await waitUntil(async () => (await mint(replica, ticket)).body['reason'] === 'policy_denied');
  });
});
