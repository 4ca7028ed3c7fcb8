import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { buildIntent, createMemorySink, createTestRecorder } from './fixtures/recording.ts';
import { buildChainAttributes, buildEventAttributes, OCSF_CLASSES } from './ocsf.ts';
import type { ChainKind, RecordKind } from './ocsf.ts';
import type { AuditEvent } from './audit-event.ts';

const issued: AuditEvent = {
  ...buildIntent('run-1'),
  kind: 'run.issued',
  purpose: 'nightly summary',
  scope: {
    role: 'arn:aws:iam::111122223333:role/agent-reports',
    sessionName: 'agent-7@run-1',
    policySha256: 'ab'.repeat(32),
    actions: ['s3:GetObject'],
    resources: ['arn:aws:s3:::acme-data/reports/acme/*'],
    deadline: 1767226200000,
  },
  decision: { outcome: 'allow', policies: ['starter/0'], version: 'cd'.repeat(32) },
};

/** Of every event class of OCSF 1.6.0. */
const REQUIRED_OF_ALL = [
  'activity_id',
  'category_uid',
  'class_uid',
  'metadata',
  'severity_id',
  'time',
  'type_uid',
];
/** Of Authorize Session one of `privileges` and `group`; the numbers of activities with a meaning of their own. */
const REQUIRED_BY_OCSF = {
  3003: { attributes: ['user', 'privileges'], activities: [1, 2, 3] },
  3004: { attributes: ['entity'], activities: [1, 2, 3, 4] },
  6002: { attributes: ['app'], activities: [1, 2, 3, 4] },
} as const;
const OTHER = 99;

/** The line that a recorder writes for an event. */
const recordLine = async (event: AuditEvent): Promise<string> => {
  const { sink, appended } = createMemorySink();
  await (await createTestRecorder({ sinks: [sink] })).record(event);
  return appended.at(-1) ?? '';
};

describe('buildEventAttributes', () => {
  it('maps an issued run to the OCSF class Authorize Session', () => {
    expect(buildEventAttributes(issued, '1.2.3')).toEqual({
      category_uid: 3,
      class_uid: 3003,
      activity_id: 1,
      activity_name: 'Assign Privileges',
      type_uid: 300301,
      severity_id: 1,
      status_id: 1,
      time: issued.at,
      metadata: {
        version: '1.6.0',
        product: { name: 'Valetkey', vendor_name: 'Valetkey', version: '1.2.3' },
      },
      user: { name: 'system:serviceaccount:research:agent', type_id: 4 },
      actor: {
        user: { name: 'system:serviceaccount:research:agent', type_id: 4 },
        app_name: 'agent',
        authorizations: [
          { decision: 'allow', policy: { name: 'starter/0', version: 'cd'.repeat(32) } },
        ],
      },
      session: { uid: 'run-1', uid_alt: 'agent-7@run-1', expiration_time: 1767226200000 },
      privileges: ['s3:GetObject'],
      unmapped: {
        kind: 'run.issued',
        namespace: 'research',
        pod: 'agent-7',
        pod_uid: '0d7f8f2e-5a52-4f3e-9d8f-111111111111',
        task: 'summarize',
        params: { customer: 'acme' },
        purpose: 'nightly summary',
        role: 'arn:aws:iam::111122223333:role/agent-reports',
        resources: ['arn:aws:s3:::acme-data/reports/acme/*'],
        session_policy_sha256: 'ab'.repeat(32),
      },
    });
  });

  it.each(Object.keys(OCSF_CLASSES) as RecordKind[])(
    'gives a record of kind %s what OCSF requires of its class',
    (kind) => {
      const isOfChain = kind.startsWith('chain.');
      const record: Record<string, unknown> = isOfChain
        ? buildChainAttributes(kind as ChainKind, issued.at, '1.2.3')
        : buildEventAttributes({ kind, at: issued.at } as AuditEvent, '1.2.3');
      const classUid = record['class_uid'] as keyof typeof REQUIRED_BY_OCSF;
      expect(Object.keys(record)).toEqual(
        expect.arrayContaining([...REQUIRED_OF_ALL, ...REQUIRED_BY_OCSF[classUid].attributes]),
      );
      const activity = record['activity_id'] as number;
      expect([...REQUIRED_BY_OCSF[classUid].activities, OTHER]).toContain(activity);
      expect(record).toMatchObject({
        category_uid: Math.floor(classUid / 1000),
        type_uid: classUid * 100 + activity,
        activity_name: expect.any(String),
        metadata: { version: '1.6.0', product: { name: 'Valetkey', vendor_name: 'Valetkey' } },
      });
    },
  );

  it('lists the exempted rules that the pod violates', () => {
    const given = (exempted: NonNullable<AuditEvent['exempted']>) =>
      buildEventAttributes({ ...issued, exempted }, '1').unmapped;
    expect(given({ exemptions: ['4', '9'], warned: ['7'] })).toMatchObject({
      exemptions: ['4', '9'],
      warned: ['7'],
    });
    const none = given({ exemptions: [], warned: [] });
    expect(none).not.toHaveProperty('exemptions');
    expect(none).not.toHaveProperty('warned');
  });

  it('includes code and message of a refusal', () => {
    const refused = {
      ...buildIntent('run-1'),
      reason: 'policy_denied',
      message: 'no policy permits it',
    };
    expect(buildEventAttributes({ ...refused, kind: 'run.refused' }, '1')).toMatchObject({
      status_id: 2,
      status_code: 'policy_denied',
      message: 'no policy permits it',
    });
  });

  it('names a changed policy as the entity', () => {
    const changed: AuditEvent = { kind: 'policy.changed', at: 1, subject: 'starter' };
    expect(buildEventAttributes(changed, '1')).toMatchObject({
      class_uid: 3004,
      entity: { type: 'policy', name: 'starter' },
    });
  });

  it('omits unknown members of an event', async () => {
    const event = { ...issued, keys: { secretAccessKey: 'SECRET' }, token: 'SECRET' };
    const scope = { ...issued.scope, policy: 'SECRET' } as AuditEvent['scope'];
    const line = await recordLine({ ...event, scope } as AuditEvent);
    expect(line).toContain('run-1');
    expect(line).not.toContain('SECRET');
  });

  it.each([
    ['a signed token', `Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl`],
    ['a truncated signed token', `eyJhbGciOiJFUzI1NiJ9.${'c2lnbmF0dXJl'.repeat(900)}`],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nc2lnbmF0dXJl\n-----END PRIVATE KEY-----'],
  ])('keeps %s out wherever it strays in', async (_, secret) => {
    const line = await recordLine({
      ...issued,
      purpose: secret,
      message: secret,
      params: { customer: secret },
      subject: secret,
    });
    expect(line).toContain('[secret]');
    expect(line).not.toContain('c2lnbmF0dXJl');
  });

  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.constantFrom('\n', '\r\n{"kind":"run.issued"}', '\u2028\u0085', '\ud800', '\0\u001b[2J'),
    fc.constantFrom('"', '\\', '😀', '\u0001').map((character) => character.repeat(5_000)),
  );
  const hostileEvent = fc
    .record({
      purpose: hostile,
      message: hostile,
      reason: hostile,
      task: hostile,
      run: hostile,
      texts: fc.array(hostile, { maxLength: 60 }),
      params: fc.dictionary(hostile, hostile, { maxKeys: 60 }),
      user: fc.record({ issuer: hostile, subject: hostile }),
    })
    .map(({ texts, user, ...rest }): AuditEvent => {
      const actor = { ...issued.actor, user } as NonNullable<AuditEvent['actor']>;
      const scope = { role: 'r', actions: texts, resources: texts };
      const decision = { outcome: 'allow', policies: texts, version: 'v' };
      const exempted = { exemptions: texts, warned: texts };
      return { ...issued, ...rest, actor, scope, decision, exempted };
    });

  it('returns one line of at most 16 KiB without control characters for any event', async () => {
    await fc.assert(
      fc.asyncProperty(hostileEvent, async (event) => {
        const line = await recordLine(event);
        expect(line.endsWith('\n')).toBe(true);
        expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(16 * 1024);
      }),
      { numRuns: 25 },
    );
  });

  it('has at most 16 KiB with the calls of a run and what its ticket says', async () => {
    const long = (count: number, length: number) =>
      Array.from({ length: count }, (_, at) => `${at}`.padEnd(length, 'x'));
    const link = { run: 'r'.repeat(32), namespace: 'n'.repeat(63), serviceAccount: 's'.repeat(63) };
    const line = await recordLine({
      ...{ kind: 'run.calls', at: issued.at, run: 'r'.repeat(32), deadline: 1767226200000 },
      actor: {
        ...{ namespace: 'n'.repeat(63), serviceAccount: 's'.repeat(63), consumer: 'c'.repeat(63) },
        ...{ pod: 'p'.repeat(253), podUid: '0d7f8f2e-5a52-4f3e-9d8f-111111111111' },
        user: { issuer: 'i'.repeat(256), subject: 'u'.repeat(256) },
      },
      task: 't'.repeat(63),
      chain: long(3, 32).map((run) => ({ ...link, run, task: 't'.repeat(63) })),
      decision: { outcome: 'allow', policies: long(7, 60), version: 'cd'.repeat(32) },
      calls: {
        ...{ from: 0, to: 1e9, hash: 'ab'.repeat(32), startedAt: 1, endedAt: 2 },
        counts: { allowed: 1e9, refused: 1e9, failed: 1e9, cut: 1e9 },
        ...{ bytesIn: 1e12, bytesOut: 1e12, omitted: { refusals: 1e9, used: 1e9 } },
        refusals: long(20, 300).map((text) => ({
          ...{ code: text, count: 1e9, operation: text, action: text, resource: text },
        })),
        used: long(64, 300).map((text) => ({ action: text, resource: text })),
      },
    });
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(16 * 1024);
  });

  it('states how much was truncated', async () => {
    const line = await recordLine({ ...issued, purpose: 'x'.repeat(300) });
    expect(line).toMatch(/x{256} \[…300 characters, sha256 [0-9a-f]{64}\]/);
  });
});
