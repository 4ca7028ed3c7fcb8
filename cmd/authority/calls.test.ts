import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  CALLS_PATH,
  DECISIONS_PATH,
  type GatedCall,
  type Gate,
} from '../../lib/contract/authority-api.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { listExemplars, PROMETHEUS_ACCEPT } from '../../test/kit/openmetrics.ts';
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
const NIGHT = `${PERMIT_ALL}
@id("finals") forbid (principal, action == Action::"call", resource)
when { context.resource like "${REPORTS}/final/*" && context.accessLevels.contains("Write") };
@id("big") forbid (principal, action == Action::"call", resource)
when { context has bytes && context.bytes > 100 && context.accessLevels.contains("Write") };`;
const allow = [{ actions: ['s3:GetObject', 's3:PutObject'], resources: [`${REPORTS}/*`] }];

const start = async (
  cedar = NIGHT,
  { delivery = 'sign', environment = {} }: { delivery?: string; environment?: object } = {},
): Promise<Replica> => {
  putPolicy(harness.api, cedar);
  const task = buildTask({ name: 'summarize', delivery, allow });
  harness.api.put(PATHS.pod, buildLivePod({ consumers: ['agent', 'helper'], tasks: [task] }));
  const replica = await harness.start(harness.configure(environment as Record<string, string>));
  await replica.waitUntilReady();
  return replica;
};

const post = async (replica: Replica, path: string, fields: Record<string, string>) =>
  replica.post(
    path,
    new URLSearchParams({ subject_token: await harness.podToken(), ...fields }).toString(),
  );

const startRun = async (replica: Replica, capabilities = 'gates') => {
  const form = `${buildExchangeForm(await harness.podToken())}&capabilities=${capabilities}`;
  return replica.post(TOKEN_PATH, form);
};

const startTicket = async (replica: Replica): Promise<string> =>
  (await startRun(replica)).body['ticket'] as string;

const put: GatedCall = {
  operation: 's3:PutObject',
  permissions: [{ action: 's3:PutObject', resource: `${REPORTS}/draft` }],
  bytes: 5,
};
const ask = (replica: Replica, ticket: string, call: object = put) =>
  post(replica, CALLS_PATH, { ticket, call: JSON.stringify(call), attempt: 'one' });

describe('a run that policies about calls concern', () => {
  it('gets its gates, and a ticket', async () => {
    const { status, body } = await startRun(await start());
    expect(status).toBe(200);
    const expected: readonly Gate[] = [
      { gate: 'ask', actions: ['s3:PutObject'], policies: ['all/big'] },
      {
        gate: 'deny',
        actions: ['s3:PutObject'],
        like: [`${REPORTS}/final/*`],
        policies: ['all/finals'],
      },
    ];
    expect(body['gates']).toEqual(expect.arrayContaining([...expected]));
    expect(body['ticket']).toMatch(/^vk1\./);
    expect(JSON.stringify([harness.records(), harness.lines])).not.toContain('vk1.');
  });

  it('is refused for a sidecar that does not enforce gates, and before anything is issued', async () => {
    const replica = await start();
    const before = harness.sts.calls.length;
    expect((await startRun(replica, 'other')).body).toMatchObject({ reason: 'sidecar_too_old' });
    expect(harness.sts.calls).toHaveLength(before);
  });

  it('is refused with delivery vend, which nothing can enforce', async () => {
    const replica = await start(NIGHT, { delivery: 'vend' });
    expect((await startRun(replica)).body).toMatchObject({
      reason: 'call_needs_sign',
      policies: ['all/big', 'all/finals'],
    });
  });

  it('has no gates where no policy is about calls, for any sidecar', async () => {
    const replica = await start(PERMIT_ALL, { delivery: 'vend' });
    const { status, body } = await startRun(replica, '');
    expect([status, body['gates']]).toEqual([200, []]);
  });
});

describe('POST /v1/calls', () => {
  it('allows what policy allows, and states the policy that denies', async () => {
    const replica = await start();
    const { body: issued } = await startRun(replica);
    const ticket = issued['ticket'] as string;
    expect(await ask(replica, ticket)).toMatchObject({ status: 200, body: {} });
    for (const bytes of [101, undefined]) {
      const { status, body } = await ask(replica, ticket, { ...put, bytes });
      expect([status, body['reason'], body['policies']]).toEqual([403, 'call_denied', ['all/big']]);
    }
    const record = harness.records().at(-1);
    expect(record).toMatchObject({
      status_code: 'call_denied',
      severity_id: 2,
      unmapped: { kind: 'call.refused' },
    });
    const { text } = await replica.telemetry('/metrics', { Accept: PROMETHEUS_ACCEPT });
    expect(text).toContain('valetkey_authority_gated_calls_total{outcome="allowed"} 1');
    expect(text).toContain('valetkey_authority_gated_calls_total{outcome="denied"} 2');
    expect(text).toContain('valetkey_authority_gated_call_duration_seconds_count 3');
    const runs = listExemplars(text, 'valetkey_authority_gated_call_duration_seconds');
    expect(new Set(runs.map((labels) => labels['run_id']))).toEqual(new Set([issued['run']]));
  });

  it('asks nothing of the API server', async () => {
    const replica = await start();
    const ticket = await startTicket(replica);
    await ask(replica, ticket);
    const listLookups = () =>
      harness.api.requests.filter((one) => /namespaces\/live|tokenreviews/.test(one));
    const before = listLookups();
    await ask(replica, ticket);
    await post(replica, DECISIONS_PATH, { ticket });
    expect(listLookups()).toEqual(before);
  });

  it('refuses a ticket that was changed, is of another pod, or is past its deadline', async () => {
    const replica = await start();
    const ticket = await startTicket(replica);
    expect((await ask(replica, `${ticket.slice(0, -2)}xx`)).body).toMatchObject({
      reason: 'ticket_invalid',
    });
    const subject_token = await harness.podToken({
      'kubernetes.io': {
        namespace: 'live',
        node: { name: 'node-1', uid: 'node-uid' },
        pod: { name: 'other', uid: 'other-uid' },
        serviceaccount: { name: 'agent', uid: 'account-uid' },
      },
    });
    const call = JSON.stringify(put);
    expect((await post(replica, CALLS_PATH, { ticket, call, subject_token })).body).toMatchObject({
      reason: 'ticket_foreign',
    });
    harness.advanceClock(700_000);
    expect((await ask(replica, ticket)).body).toMatchObject({ reason: 'ticket_invalid' });
  });

  it('refuses a run that a Revocation names', async () => {
    const replica = await start();
    const ticket = await startTicket(replica);
    harness.api.put(`${PATHS.revocations}/stop`, {
      metadata: { name: 'stop', uid: 'uid-stop', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { namespace: 'live', reason: 'incident', by: 'ada' },
    });
    const refused = await waitUntil(async () => {
      const { status, body } = await ask(replica, ticket);
      return status === 403 ? body : undefined;
    });
    expect(refused).toMatchObject({ reason: 'revoked' });
  });

  it.each([
    ['no JSON', 'no JSON'],
    ['no permissions', JSON.stringify({ ...put, permissions: [] })],
    ['another member', JSON.stringify({ ...put, body: 'x' })],
    [
      'too many arguments',
      JSON.stringify({
        ...put,
        arguments: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`/${at}`, 'x'])),
      }),
    ],
    ['more than 16 KiB', JSON.stringify({ ...put, padding: 'x'.repeat(16_384) })],
  ])('refuses a call with %s', async (_, call) => {
    const replica = await start();
    const ticket = await startTicket(replica);
    const { status, body } = await post(replica, CALLS_PATH, { ticket, call });
    expect([status, body['reason']]).toEqual([400, 'request_malformed']);
  });

  it('has a limit of its own, above that of token exchanges', async () => {
    const replica = await start(NIGHT, { environment: { VALETKEY_CALL_RATE: '1' } });
    harness.freezeClock();
    const ticket = await startTicket(replica);
    const answers = [];
    for (let count = 0; count < 3; count += 1) answers.push((await ask(replica, ticket)).status);
    expect(answers).toEqual([200, 200, 429]);
    expect((await startRun(replica)).status).toBe(200);
  });
});

describe('POST /v1/decisions', () => {
  it('returns the gates of changed policies, and refuses a run that they deny', async () => {
    const replica = await start(PERMIT_ALL);
    const ticket = await startTicket(replica);
    const decide = () => post(replica, DECISIONS_PATH, { ticket });
    expect((await decide()).body).toMatchObject({ gates: [] });
    putPolicy(harness.api, NIGHT);
    const gates = await waitUntil(async () => {
      const { body } = await decide();
      return (body['gates'] as readonly Gate[]).length > 0 ? body['gates'] : undefined;
    });
    expect(gates).toEqual((await startRun(replica)).body['gates']);

    putPolicy(harness.api, '@id("stop") forbid (principal, action, resource);');
    const refused = await waitUntil(async () => {
      const { status, body } = await decide();
      return status === 403 ? body : undefined;
    });
    expect(refused).toMatchObject({ reason: 'policy_denied', policies: ['all/stop'] });
    expect(harness.records().at(-1)).toMatchObject({ unmapped: { kind: 'run.redecided' } });
  });

  it('decides nothing while a policy is invalid', async () => {
    const replica = await start(PERMIT_ALL);
    const ticket = await startTicket(replica);
    putPolicy(harness.api, 'no Cedar', 'broken');
    const answer = await waitUntil(async () => {
      const { status, body } = await post(replica, DECISIONS_PATH, { ticket });
      return status === 200 ? undefined : { status, body };
    });
    expect(answer).toMatchObject({ status: 503, body: { reason: 'policy_unavailable' } });
  });
});
