import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  CALLS_PATH,
  DECISIONS_PATH,
  PROPOSALS_PATH,
  TOKEN_PATH,
} from '../../lib/contract/authority-api.ts';
import {
  buildExchangeForm,
  buildLivePod,
  buildPlatformText,
  buildTask,
  OWN_NAME,
  PATHS,
  podUid,
  startAuthorityHarness,
  type AuthorityHarness,
  type Replica,
} from './fixtures/authority-harness.ts';
import { waitUntil } from '../../test/kit/retry.ts';

jest.setTimeout(60_000);

const PAYROLL = 'arn:aws:s3:::acme-payroll/*';
const allow = [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }];

let harness: AuthorityHarness;
let replica: Replica;

const start = async (canaries: readonly string[] = [PAYROLL]): Promise<void> => {
  const more = `  canaries: ${JSON.stringify(canaries)}\n`;
  replica = await harness.start(harness.configure({}, buildPlatformText(harness.sts.port, more)));
  await replica.waitUntilReady();
};

beforeEach(async () => {
  harness = await startAuthorityHarness();
  const tasks = [
    buildTask({ name: 'payroll', canary: true, delivery: 'sign', allow, containers: ['agent'] }),
    buildTask({ name: 'summarize', delivery: 'sign', allow, containers: ['agent'] }),
    buildTask({ name: 'vended', allow, containers: ['helper'] }),
  ];
  harness.api.put(PATHS.pod, buildLivePod({ consumers: ['agent', 'helper'], tasks }));
});
afterEach(() => harness.close());

const startRun = async (task: string, capabilities = 'gates canaries') => {
  const consumer = task === 'vended' ? 'helper' : 'agent';
  const form = buildExchangeForm(await harness.podToken(), { task, consumer });
  const fields = new URLSearchParams(form);
  fields.set('capabilities', capabilities);
  return replica.post(TOKEN_PATH, fields.toString());
};

const call = async (ticket: string, resource: string | undefined) => {
  const permission = { action: 's3:GetObject', ...(resource !== undefined && { resource }) };
  const fields = {
    subject_token: await harness.podToken(),
    ...{ ticket, attempt: 'one' },
    call: JSON.stringify({ operation: 's3:GetObject', permissions: [permission] }),
  };
  return replica.post(CALLS_PATH, new URLSearchParams(fields).toString());
};

const listRevocations = () =>
  harness.api
    .all()
    .filter(({ path }) => path.startsWith(`${PATHS.revocations}/`))
    .map(({ object }) => (object as unknown as { spec: object }).spec);

const findTouches = () =>
  harness.records().filter(({ unmapped }) => unmapped.kind === 'canary.touched');

describe('a canary task', () => {
  beforeEach(() => start([]));

  it('is refused as policy refuses, recorded as critical, and revokes its pod', async () => {
    const { status, body } = await startRun('payroll');
    expect([status, body['reason'], body['error_description']]).toEqual([
      ...[403, 'policy_denied', 'no policy permits it'],
    ]);
    expect(harness.sts.calls).toHaveLength(0);
    expect(listRevocations()).toEqual([
      {
        pod: { namespace: 'live', name: 'agent', uid: podUid },
        ...{ reason: 'revoked by the platform', by: OWN_NAME },
      },
    ]);
    const [touch, ...others] = findTouches();
    expect(others).toEqual([]);
    expect(touch).toMatchObject({
      severity_id: 5,
      message: 'canary task payroll was started',
      unmapped: { namespace: 'live', pod: 'agent', pod_uid: podUid, task: 'payroll' },
      actor: { app_name: 'agent' },
    });
    expect((await replica.telemetry('/metrics')).text).toContain(
      'valetkey_authority_canaries_touched_total{kind="task"} 1',
    );
  });

  it('is answered as unavailable while nothing can revoke the pod, and issues nothing', async () => {
    harness.api.fail(/POST .*revocations/, 500);
    expect((await startRun('payroll')).body).toMatchObject({ reason: 'kubernetes_unavailable' });
    expect(harness.sts.calls).toHaveLength(0);
    harness.api.recover();
    expect((await startRun('payroll')).body).toMatchObject({ reason: 'policy_denied' });
    expect(listRevocations()).toHaveLength(1);
  });

  it('revokes its pod also while records fail, and is recorded later', async () => {
    harness.breakOutput(new Error('no space left'));
    expect((await startRun('payroll')).body).toMatchObject({ reason: 'audit_unavailable' });
    harness.breakOutput(undefined);
    expect(listRevocations()).toHaveLength(1);
    const count = findTouches().length;
    // At its end, an authority records what it could not before.
    await replica.authority.drain();
    expect(findTouches()).toHaveLength(count + 1);
  });

  it('is recorded once, and shows its agent no more than any other revoked task', async () => {
    await startRun('payroll');
    const answer = await waitUntil(async () => {
      const { body } = await startRun('payroll');
      return body['reason'] === 'revoked' ? body : undefined;
    });
    expect(JSON.stringify(answer)).not.toContain('canary');
    expect(answer['error_description']).toMatch(
      /^Revocation platform-[0-9a-f]{20}: revoked by the platform$/,
    );
    const count = findTouches().length;
    expect((await startRun('payroll')).body['error_description']).toEqual(
      (await startRun('summarize')).body['error_description'],
    );
    expect(findTouches()).toHaveLength(count);
    expect(listRevocations()).toHaveLength(1);
  });

  it('leaves other tasks alone', async () => {
    expect((await startRun('summarize')).body['gates']).toEqual([]);
    expect([listRevocations(), findTouches()]).toEqual([[], []]);
  });
});

describe('a canary resource', () => {
  beforeEach(() => start());

  it('is a gate of runs whose calls the gateway sees, also when policy decides again', async () => {
    const gates = [{ gate: 'canary', actions: ['*'], like: [PAYROLL], policies: [] }];
    const { body } = await startRun('summarize');
    expect(body['gates']).toEqual(gates);
    const fields = { subject_token: await harness.podToken(), ticket: body['ticket'] as string };
    const again = await replica.post(DECISIONS_PATH, new URLSearchParams(fields).toString());
    expect(again.body['gates']).toEqual(gates);
    expect((await startRun('vended')).body['gates']).toEqual([]);
  });

  it('is not left to a sidecar that does not know canaries', async () => {
    expect((await startRun('summarize', 'gates')).body['reason']).toBe('sidecar_too_old');
    expect((await startRun('vended', 'gates')).status).toBe(200);
  });

  it('revokes the pod that called it, and is recorded with the resource', async () => {
    const { body } = await startRun('summarize');
    const { status, body: answer } = await call(
      body['ticket'] as string,
      'arn:aws:s3:::acme-payroll/2026.csv',
    );
    expect([status, answer['reason']]).toEqual([403, 'call_denied']);
    expect(JSON.stringify(answer)).not.toContain('canary');
    expect(listRevocations()).toMatchObject([{ pod: { namespace: 'live', uid: podUid } }]);
    const [touch] = findTouches();
    expect(touch).toMatchObject({
      severity_id: 5,
      message: 's3:GetObject on canary arn:aws:s3:::acme-payroll/2026.csv',
      session: { uid: body['run'] },
    });
  });

  it('cannot be proposed to people', async () => {
    const propose = async (resource: string) => {
      const proposal = {
        ...{ task: 'summarize', consumer: 'agent' },
        allow: [{ actions: ['s3:GetObject'], resources: [resource] }],
      };
      const fields = {
        subject_token: await harness.podToken(),
        proposal: JSON.stringify(proposal),
      };
      return replica.post(PROPOSALS_PATH, new URLSearchParams(fields).toString());
    };
    const { status, body } = await propose('arn:aws:s3:::acme-payroll/2026.csv');
    expect([status, body['reason']]).toEqual([403, 'policy_denied']);
    expect(JSON.stringify(body)).not.toContain('canary');
    expect((await propose('arn:aws:s3:::acme-data/other')).status).toBe(201);
  });

  it.each([
    ['another resource', 'arn:aws:s3:::acme-data/reports/q3.csv'],
    ['a resource that is not known', undefined],
  ])('is not touched by a call on %s', async (_what, resource) => {
    const { body } = await startRun('summarize');
    expect((await call(body['ticket'] as string, resource)).status).toBe(200);
    expect([listRevocations(), findTouches()]).toEqual([[], []]);
  });
});
