import type { AuditEvent } from '../../lib/audit/audit-event.ts';

export const STARTED_AT = Date.parse('2026-01-01T00:00:00Z');
const second = (count: number): number => STARTED_AT + count * 1_000;

const actor = {
  ...{ namespace: 'research', serviceAccount: 'agent', pod: 'agent-7', consumer: 'agent' },
  podUid: '0d7f8f2e-5a52-4f3e-9d8f-111111111111',
};
const run = 'uws2ljnfuws2ljnfbbzdgrosaro4x6fi';
const decision = { outcome: 'allow', policies: ['starter/0', 'team'], version: 'cd'.repeat(32) };
const scope = {
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  sessionName: `agent-7@${run}`,
  policySha256: 'ab'.repeat(32),
  actions: ['s3:GetObject', 's3:ListBucket'],
  resources: ['arn:aws:s3:::acme-data/reports/acme/*'],
  deadline: second(600),
};
const began = { actor, run, task: 'summarize', params: { customer: 'acme' }, purpose: 'nightly' };
const user = { issuer: 'https://login.example', subject: 'alice@example.org' };
const hostile = `line\nbreak \u202e eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.x ${'y'.repeat(600)}`;

/** An event of each kind, with every member, and some that test the bounds of a record. */
export const AUDIT_EVENTS: readonly AuditEvent[] = [
  { kind: 'run.intent', at: second(0), ...began, decision },
  { kind: 'run.issued', at: second(1), ...began, decision, scope },
  { kind: 'run.intent', at: second(2), ...began, actor: { ...actor, user }, run: 'run-2' },
  {
    ...{ kind: 'run.refused', at: second(2), ...began, run: 'run-2', reason: 'policy_denied' },
    decision: { ...decision, outcome: 'deny', policies: [] },
    exempted: { exemptions: ['4', '9'], warned: ['7'] },
  },
  { kind: 'run.refused', at: second(3), reason: 'token_invalid', message: hostile },
  { kind: 'stream.refused', at: second(4), actor, reason: 'pod_not_found' },
  { kind: 'run.end_refused', at: second(5), actor, run: 'run-9', reason: 'run_not_owned' },
  { kind: 'revocation.observed', at: second(6), subject: 'stop-it', run, reason: 'revoked' },
  { kind: 'run.ended', at: second(7), actor, run, reason: 'revoked', message: 'by=alice' },
  { kind: 'deny_list.updated', at: second(8), subject: scope.role, reason: 'written' },
  { kind: 'revocation.collected', at: second(9), subject: 'stop-it' },
  { kind: 'policy.changed', at: second(10), subject: 'starter', decision },
  { kind: 'key.changed', at: second(11), subject: 'grant-key-1', reason: 'rotated' },
  {
    ...{ kind: 'run.intent', at: second(12), ...began, purpose: hostile },
    params: Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`p${at}`, 'v'.repeat(90)])),
    scope: { ...scope, actions: Array.from({ length: 300 }, (_, at) => `s3:Action${at}`) },
  },
  {
    ...{ kind: 'run.calls', at: second(13), actor, run },
    calls: {
      ...{ from: 3, to: 9, hash: 'ef'.repeat(32), startedAt: second(2), endedAt: second(5) },
      counts: { allowed: 4, refused: 2, failed: 1, cut: 0 },
      ...{ bytesIn: 0, bytesOut: 4096, omitted: { refusals: 1, used: 0 } },
      refusals: [
        { code: 'resource_outside', count: 1, operation: 's3.GetObject', resource: hostile },
      ],
      used: [{ action: 's3:GetObject', resource: 'arn:aws:s3:::acme-data/reports/' }],
    },
  },
  { kind: 'run.calls_refused', at: second(14), actor, run: 'run-9', reason: 'run_not_owned' },
  {
    ...{ kind: 'secret.revocation_failed', at: second(15), actor, run, task: 'chat' },
    ...{ reason: 'secret_unavailable', message: 'upstream model-api: Vault did not answer' },
  },
];

/** What a cloud logged of the run and of another. */
export const CLOUD_LOG: string = [
  {
    ...{ bucket: 'acme-data', object: 'reports/acme/may.csv', operation: 'get_obj' },
    ...{ time: new Date(second(3)).toISOString(), remote_addr: '10.20.0.7', http_status: '200' },
    ...{ error_code: '', sts_info: { role_session: scope.sessionName } },
  },
  {
    ...{ bucket: 'acme-data', uri: 'GET /acme-data/x?list-type=2 HTTP/1.1', http_status: '403' },
    ...{ time: new Date(second(9)).toISOString(), error_code: 'AccessDenied' },
    sts_info: { role_session: scope.sessionName },
  },
  {
    ...{ eventTime: '2026-01-01T00:00:05Z', eventName: 'GetObject', sourceIPAddress: '192.0.2.7' },
    userIdentity: {
      arn: `arn:aws:sts::111122223333:assumed-role/agent-reports/${scope.sessionName}`,
    },
    requestParameters: { bucketName: 'acme-data', key: 'reports/acme/june.csv' },
  },
  { time: new Date(second(4)).toISOString(), sts_info: { role_session: 'agent-8@run-2' } },
]
  .map((entry) => `${JSON.stringify(entry)}\n`)
  .join('');
