import { describe, expect, it } from '@jest/globals';

import {
  createAuditFile,
  buildIntent,
  createMemorySink,
  createTestRecorder,
  startedAt,
} from './fixtures/recording.ts';
import type { AuditEvent } from './audit-event.ts';
import type { CallEntry } from './call-line.ts';
import { buildCallEntry, chainCalls } from './fixtures/call-lines.ts';
import { renderTimeline, buildTimeline } from './timeline.ts';

const second = (count: number): number => startedAt + count * 1_000;
const decision = { outcome: 'allow', policies: ['starter/0'], version: 'cd'.repeat(32) };
const scope = {
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  sessionName: 'agent-7@run-1',
  actions: ['s3:GetObject'],
  resources: ['arn:aws:s3:::acme-data/reports/acme/*'],
  deadline: second(600),
};
const begun: AuditEvent = {
  ...buildIntent('run-1'),
  ...{ purpose: 'nightly summary', decision },
  exempted: { exemptions: ['4', '9'], warned: ['7'] },
};
const events: readonly AuditEvent[] = [
  begun,
  { ...buildIntent('run-2'), decision },
  { ...begun, kind: 'run.issued', at: second(1), scope },
  {
    kind: 'revocation.observed',
    at: second(7),
    subject: 'stop-it',
    run: 'run-1',
    reason: 'revoked',
  },
  {
    ...buildIntent('run-1'),
    kind: 'run.ended',
    at: second(8),
    reason: 'revoked',
    message: 'by alice',
  },
];

const recordEvents = async (given: readonly AuditEvent[]): Promise<string> => {
  const { sink, text } = createMemorySink();
  const recorder = await createTestRecorder({ sinks: [sink] });
  for (const event of given) await recorder.record(event);
  return text();
};

const buildRgwLine = (at: number, session: string, members: object = {}): string =>
  JSON.stringify({
    bucket: 'acme-data',
    object: 'reports/acme/may.csv',
    time: new Date(at).toISOString().replace('Z', '000Z'),
    remote_addr: '10.20.0.7',
    user: 'oidc$agent',
    operation: 'get_obj',
    http_status: '200',
    error_code: '',
    access_key_id: 'ACCESS',
    sts_info: { role_name: 'agent-reports', role_session: session },
    ...members,
  });

const opsLog = [
  buildRgwLine(second(9), 'agent-7@run-1', { http_status: '403', error_code: 'AccessDenied' }),
  buildRgwLine(second(3), 'agent-7@run-1'),
  buildRgwLine(second(4), 'agent-8@run-2'),
  '{"time": "half a line of run-1',
  '',
].join('\n');

const renderRun = async (cloudLog: string, run = 'run-1', records?: string) =>
  buildTimeline({
    run,
    records: [createAuditFile(records ?? (await recordEvents(events)))],
    cloudLogs: [createAuditFile(cloudLog, 'ops.log')],
  });

describe('the timeline of a chain of delegations', () => {
  const link = (run: string) => ({
    ...{ run, namespace: 'research', serviceAccount: 'planner', task: 'plan' },
  });
  const chained: readonly AuditEvent[] = [
    buildIntent('parent'),
    {
      ...{ ...buildIntent('parent'), kind: 'delegation.minted', at: second(1) },
      message: 'task summarize for research/agent',
    },
    { ...buildIntent('child'), kind: 'delegation.used', at: second(2), chain: [link('parent')] },
    {
      ...{ ...buildIntent('child'), kind: 'run.issued', at: second(3), scope },
      chain: [link('parent')],
    },
    {
      ...{ ...buildIntent('grandchild'), kind: 'run.issued', at: second(4), scope },
      chain: [link('parent'), link('child')],
    },
  ];

  it('shows the runs below a run, and how far', async () => {
    const lines = renderTimeline(await renderRun('', 'parent', await recordEvents(chained)));
    const texts = lines.filter((line) => line.includes('delegation'));
    expect(texts.map((line) => line.slice(39))).toEqual([
      'minted: task summarize for research/agent',
      'delegated run issued, 1 below: run child, task summarize of pod research/agent-7',
      'delegated run issued, 2 below: run grandchild, task summarize of pod research/agent-7',
    ]);
  });

  it('shows the runs above a run', async () => {
    const lines = renderTimeline(await renderRun('', 'child', await recordEvents(chained)));
    expect(lines.join('\n')).toContain('used, from parent (task plan of research/planner)');
  });
});

describe('the timeline of a run that people approved, and a call of it', () => {
  const actor = buildIntent('run-1');
  const approval = (kind: AuditEvent['kind'], at: number, message: string): AuditEvent => ({
    ...{ ...actor, kind, at: second(at) },
    ...{ subject: `research/ar-${at < 3 ? 1 : 2}`, message },
  });
  const records: readonly AuditEvent[] = [
    { ...begun, at: second(0) },
    approval('approval.used', 1, 'digest ab, groups data-owners, by mara@example.com'),
    { ...begun, kind: 'run.issued', at: second(2), scope },
    approval('approval.requested', 3, 'digest cd, groups data-owners'),
    approval('approval.observed', 5, 'approve for group data-owners, by mara@example.com'),
    approval('approval.used', 6, 'digest cd, groups data-owners, by mara@example.com'),
    { ...actor, kind: 'run.ended', at: second(9), reason: 'completed', message: '' },
  ];
  const write = (members: Partial<CallEntry>) =>
    buildCallEntry({
      ...{ operation: 's3.PutObject', actions: ['s3:PutObject'] },
      resources: ['arn:aws:s3:::acme-data/reports/acme/may.csv'],
      ...members,
    });
  const refused = { outcome: 'refused', code: 'approval_pending', status: 403 } as const;
  const { lines } = chainCalls([
    write({ at: second(4), ...refused }),
    write({ at: second(7) }),
    write({ at: second(8), ...refused }),
  ]);

  it('shows intent, policy, approval, credentials, calls, log of the cloud and end in order', async () => {
    const put = { operation: 'put_obj' };
    const timeline = await buildTimeline({
      run: 'run-1',
      records: [createAuditFile(await recordEvents(records))],
      cloudLogs: [createAuditFile(buildRgwLine(second(7), 'agent-7@run-1', put), 'ops.log')],
      calls: [createAuditFile(lines.join(''), 'sidecar.log')],
    });
    const shown = timeline.steps.map(({ kind, text }) => `${kind}: ${text}`);
    expect(shown).toEqual([
      expect.stringMatching(/^intent: task summarize of pod research\/agent-7 /),
      'policy: allow by starter/0, version cdcdcdcdcdcd',
      'approval: used: research/ar-1 digest ab, groups data-owners, by mara@example.com',
      expect.stringMatching(/^credentials: session agent-7@run-1 /),
      'approval: requested: research/ar-2 digest cd, groups data-owners',
      expect.stringMatching(/^call: s3.PutObject .*: refused approval_pending, status 403/),
      'approval: observed: research/ar-2 approve for group data-owners, by mara@example.com',
      'approval: used: research/ar-2 digest cd, groups data-owners, by mara@example.com',
      expect.stringMatching(/^call: s3.PutObject .*: allowed, status 200/),
      'cloud call: put_obj acme-data/reports/acme/may.csv: 200, from 10.20.0.7',
      expect.stringMatching(/^call: s3.PutObject .*: refused approval_pending, status 403/),
      'end: completed',
    ]);
  });

  it('shows an emergency as an approval', async () => {
    const used = approval('emergency.used', 1, 'group data-owners, by eve, incident INC-7');
    const { steps } = await renderRun('', 'run-1', await recordEvents([used]));
    expect(steps.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
      'approval: emergency used: research/ar-1 group data-owners, by eve, incident INC-7',
    ]);
  });
});

describe('buildTimeline', () => {
  it('shows intent, policy, credentials, cloud calls and end in order', async () => {
    expect(renderTimeline(await renderRun(opsLog))).toEqual([
      'run run-1',
      '2026-01-01T00:00:00.000Z  intent       task summarize of pod research/agent-7 (system:serviceaccount:research:agent) by agent (exempted from rules 4, 9) (warned of rules 7) with {"customer":"acme"} to nightly summary',
      '2026-01-01T00:00:00.000Z  policy       allow by starter/0, version cdcdcdcdcdcd',
      '2026-01-01T00:00:01.000Z  credentials  session agent-7@run-1 of arn:aws:iam::111122223333:role/agent-reports, until 2026-01-01T00:10:00.000Z, may s3:GetObject on arn:aws:s3:::acme-data/reports/acme/*',
      '2026-01-01T00:00:03.000Z  cloud call   get_obj acme-data/reports/acme/may.csv: 200, from 10.20.0.7',
      '2026-01-01T00:00:07.000Z  other        revocation.observed stop-it revoked',
      '2026-01-01T00:00:08.000Z  end          revoked: by alice',
      '2026-01-01T00:00:09.000Z  cloud call   get_obj acme-data/reports/acme/may.csv: 403 AccessDenied, from 10.20.0.7',
    ]);
  });

  it('shows who approved the run before its credentials', async () => {
    const used: AuditEvent = {
      ...{ kind: 'approval.used', at: second(1), run: 'run-1', subject: 'research/ar-1' },
      message: 'digest ab, groups data-owners, by mara@example.com',
    };
    const { steps } = await renderRun('', 'run-1', await recordEvents([used]));
    expect(steps).toEqual([
      {
        ...{ at: second(1), kind: 'approval' },
        text: 'used: research/ar-1 digest ab, groups data-owners, by mara@example.com',
      },
    ]);
  });

  it.each([
    ['GET /acme-data/reports/acme/may.csv?x-id=GetObject HTTP/1.1', 'reports/acme/may.csv'],
    ['GET /reports/acme/may.csv HTTP/1.1', 'reports/acme/may.csv'],
    ['GET /acme-data/?list-type=2 HTTP/1.1', ''],
    ['GET /acme-data HTTP/1.1', ''],
  ])('takes the object of RGW 16 from its request, %s', async (uri, object) => {
    const { steps } = await renderRun(
      buildRgwLine(second(3), 'agent-7@run-1', { object: undefined, uri }),
    );
    const target = ['acme-data', object].filter(Boolean).join('/');
    expect(steps.find(({ kind }) => kind === 'cloud call')?.text).toContain(`${target}: 200`);
  });

  it('returns the session names', async () => {
    expect(await renderRun('')).toMatchObject({ run: 'run-1', sessions: ['agent-7@run-1'] });
  });

  it('reads CloudTrail events one a line or as a file', async () => {
    const call = {
      eventTime: '2026-01-01T00:00:03Z',
      eventSource: 's3.amazonaws.com',
      eventName: 'GetObject',
      sourceIPAddress: '192.0.2.7',
      userIdentity: { arn: 'arn:aws:sts::111122223333:assumed-role/agent-reports/agent-7@run-1' },
      requestParameters: { bucketName: 'acme-data', key: 'reports/acme/may.csv' },
    };
    const other = { ...call, userIdentity: { arn: 'arn:aws:iam::111122223333:user/run-1' } };
    for (const log of [JSON.stringify(call), JSON.stringify({ Records: [call, other] })]) {
      const { steps } = await renderRun(log);
      expect(steps.filter(({ kind }) => kind === 'cloud call')).toEqual([
        {
          at: second(3),
          kind: 'cloud call',
          text: 'GetObject acme-data/reports/acme/may.csv: ok, from 192.0.2.7',
        },
      ]);
    }
  });

  it('shows the reason of a refusal', async () => {
    const refused: AuditEvent = {
      ...buildIntent('run-1'),
      kind: 'run.refused',
      reason: 'policy_denied',
      message: 'no policy permits it',
      decision: { outcome: 'deny', policies: [], version: 'cd'.repeat(32) },
    };
    const { steps } = await renderRun('', 'run-1', await recordEvents([refused]));
    expect(steps.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
      'policy: deny by none, version cdcdcdcdcdcd',
      'refusal: policy_denied: no policy permits it',
    ]);
  });

  it('finds calls by the run ID when its records are missing', async () => {
    expect((await renderRun(opsLog, 'run-1', '')).steps).toHaveLength(2);
  });

  it('reports a run without records and counts invalid lines', async () => {
    expect(renderTimeline(await renderRun(opsLog, 'run-9'))).toEqual([
      'run run-9: no records found',
    ]);
    const edited = (await recordEvents(events)).replace('summarize', 'summarise');
    expect((await renderRun('', 'run-1', edited)).unreadable).toBe(1);
  });

  it('escapes control characters of a cloud log', async () => {
    const hostile = buildRgwLine(second(3), 'agent-7@run-1', { object: 'a\u001b[2J\nb' });
    expect(renderTimeline(await renderRun(hostile)).join('')).toContain('a\\u{1b}[2J\\u{a}b');
  });
});
