import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import type { Approval, ApprovalRequest, ApprovalSpec } from '../contract/approvals.ts';
import { REQUEST_NAME, SAMPLE_APPROVAL, SAMPLE_REQUEST } from '../../test/kit/approval-cases.ts';
import {
  buildRequestName,
  computeApprovalDigest,
  type ApprovalSubject,
} from './approval-digest.ts';
import { EMERGENCY_MS, evaluateApprovals, type ApprovalEvidence } from './approval-evaluation.ts';
import { boundRequestFields } from './request-fields.ts';
import { read } from '../schema/reader.ts';
import { approvalRequestSpec } from './approval-objects.ts';
import { checkRequestLimits, COOLDOWN_MS, type CountedRequest } from './request-limits.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const MINUTE = 60_000;

describe('computeApprovalDigest', () => {
  const subject: ApprovalSubject = {
    ...{ kind: 'run', podUid: 'u1', task: 'write', consumer: 'agent' },
    params: { customer: 'acme', month: '05' },
    user: { issuer: 'https://login.example', subject: 'mara' },
    chain: [],
  };
  const digest = computeApprovalDigest(subject);
  const link = { run: 'r', namespace: 'n', serviceAccount: 's', task: 't' };

  it.each<[string, Partial<ApprovalSubject>]>([
    ['kind', { kind: 'call' }],
    ['pod', { podUid: 'u2' }],
    ['task', { task: 'read' }],
    ['consumer', { consumer: 'other' }],
    ['value of a param', { params: { customer: 'acme', month: '06' } }],
    ['user', { user: { issuer: 'https://login.example', subject: 'other' } }],
    ['chain', { chain: [link] }],
    ['grant', { grant: { allow: [] } }],
  ])('differs for another %s', (_, change) => {
    expect(computeApprovalDigest({ ...subject, ...change })).not.toBe(digest);
  });

  it('differs for another scope or lifetime of a handle', () => {
    const narrow = { allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::a/b'] }] };
    const wide = { allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::a/*'] }] };
    const grants = [narrow, wide, { ...narrow, lifetimeSeconds: 60 }, { allow: [] }];
    const digests = grants.map((grant) => computeApprovalDigest({ ...subject, grant }));
    expect(new Set([digest, ...digests]).size).toBe(5);
  });

  it('does not depend on the order of members or on what is not part of the request', () => {
    const params = { month: '05', customer: 'acme' };
    const more = { ...subject, params, purpose: 'x', attempt: 'y' };
    expect(computeApprovalDigest(more)).toBe(digest);
  });

  it('names the request', () => {
    expect(buildRequestName(digest)).toMatch(/^ar-[0-9a-f]{20}$/);
  });

  it('is the same exactly for the same params', () => {
    const values = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(values, values, (one, other) => {
        const same =
          JSON.stringify(Object.entries(one).sort()) ===
          JSON.stringify(Object.entries(other).sort());
        const [first, second] = [one, other].map((params) =>
          computeApprovalDigest({ ...subject, params }),
        );
        return (first === second) === same;
      }),
    );
  });
});

const request: ApprovalRequest = {
  ...{ name: REQUEST_NAME, namespace: 'research', uid: SAMPLE_APPROVAL.request.uid },
  createdAt: NOW - MINUTE,
  spec: { ...SAMPLE_REQUEST, expiresAt: new Date(NOW + 10 * MINUTE).toISOString() },
};
const [asked] = SAMPLE_REQUEST.policies;
if (asked === undefined) throw new Error('no policy');

const approve = (change: Partial<ApprovalSpec> = {}, createdAt = NOW): Approval => ({
  ...{ name: 'a', uid: `${change.by ?? ''}-${change.group ?? ''}`, createdAt },
  spec: { ...SAMPLE_APPROVAL, ...change },
});

const evaluate = (approvals: readonly Approval[], change: Partial<ApprovalEvidence> = {}) =>
  evaluateApprovals({
    ...{ request, approvals, now: NOW, asking: [asked] },
    hashPolicy: (id) => (id === asked.id ? asked.sha256 : undefined),
    ...change,
  });

const withGroups = (...groups: { name: string; quorum: number }[]): ApprovalRequest => ({
  ...request,
  spec: { ...request.spec, groups },
});

describe('evaluateApprovals', () => {
  it('approves with one approval of the group', () => {
    expect(evaluate([approve()])).toEqual({
      ...{ outcome: 'approved', groups: ['data-owners'], emergencies: [] },
      by: ['mara@example.com'],
    });
  });

  it.each<[string, Partial<ApprovalSpec>]>([
    ['another name', { request: { ...SAMPLE_APPROVAL.request, name: 'ar-99999999999999999999' } }],
    ['the UID of an earlier object', { request: { ...SAMPLE_APPROVAL.request, uid: 'old' } }],
    ['another digest', { request: { ...SAMPLE_APPROVAL.request, digest: '00'.repeat(32) } }],
    ['a group that was not asked', { group: 'others' }],
    ['a review', { decision: 'review' }],
  ])('ignores an approval with %s', (_, change) => {
    expect(evaluate([approve(change)])).toMatchObject({ outcome: 'pending' });
  });

  it('counts each person of a quorum once', () => {
    const evidence = { request: withGroups({ name: 'data-owners', quorum: 2 }) };
    const twice = [approve(), approve()];
    expect(evaluate(twice, evidence)).toMatchObject({ outcome: 'pending' });
    const two = [approve(), approve({ by: 'omar@example.com' })];
    expect(evaluate(two, evidence)).toMatchObject({ outcome: 'approved' });
  });

  it('needs every group, and names those that are missing', () => {
    const second = { name: 'security', quorum: 1 };
    const evidence = { request: withGroups({ name: 'data-owners', quorum: 1 }, second) };
    expect(evaluate([approve()], evidence)).toEqual({ outcome: 'pending', missing: [second] });
    const both = [approve(), approve({ group: 'security' })];
    expect(evaluate(both, evidence)).toMatchObject({ outcome: 'approved' });
  });

  it('is denied by one denial, also if others approve', () => {
    const denial = approve({ decision: 'deny', by: 'omar@example.com', reason: 'too wide' });
    expect(evaluate([approve(), denial])).toEqual({
      ...{ outcome: 'denied', by: 'omar@example.com', reason: 'too wide' },
    });
  });

  it('is expired at its end, also if it was approved in time', () => {
    const now = NOW + 10 * MINUTE;
    expect(evaluate([approve()], { now })).toEqual({ outcome: 'expired' });
  });

  it('does not survive a change of a policy that asked', () => {
    const changed = { outcome: 'policy_changed', policy: asked.id };
    expect(evaluate([approve()], { hashPolicy: () => 'other' })).toEqual(changed);
    expect(evaluate([approve()], { hashPolicy: () => undefined })).toEqual(changed);
  });

  it('does not survive another policy that asks now, but one that asks no more', () => {
    const more = { id: 'research/new', sha256: 'cc'.repeat(32) };
    expect(evaluate([approve()], { asking: [asked, more] })).toEqual({
      ...{ outcome: 'policy_changed', policy: 'research/new' },
    });
    expect(evaluate([approve()], { asking: [] })).toMatchObject({ outcome: 'approved' });
  });

  it('does not count the user on whose behalf the agent acts', () => {
    const userName = 'mara@example.com';
    expect(evaluate([approve()], { userName })).toEqual({ outcome: 'separation', by: userName });
    const evidence = { userName, request: withGroups({ name: 'data-owners', quorum: 3 }) };
    expect(evaluate([approve()], evidence)).toMatchObject({ outcome: 'pending' });
    const other = [approve(), approve({ by: 'omar@example.com' })];
    expect(evaluate(other, { userName })).toMatchObject({
      ...{ outcome: 'approved', by: ['omar@example.com'] },
    });
  });

  it('lets one person decide in an emergency, for a quarter of an hour', () => {
    const userName = 'mara@example.com';
    const evidence = { userName, request: withGroups({ name: 'data-owners', quorum: 3 }) };
    const emergency = { emergency: { incident: 'INC-1' } };
    expect(evaluate([approve(emergency)], evidence)).toMatchObject({
      ...{ outcome: 'approved', by: [userName] },
      emergencies: [{ group: 'data-owners', by: userName, incident: 'INC-1' }],
    });
    const old = approve(emergency, NOW - EMERGENCY_MS);
    expect(evaluate([old], evidence)).toMatchObject({ outcome: 'pending' });
  });

  it('approves exactly if each group has enough different people and no one denies', () => {
    const person = fc.constantFrom('a', 'b', 'c', 'user');
    const group = fc.constantFrom('g1', 'g2', 'g3');
    const decision = fc.constantFrom('approve' as const, 'deny' as const, 'review' as const);
    const uid = fc.constantFrom(request.uid, 'old');
    const quorums = fc.record({
      g1: fc.integer({ min: 1, max: 3 }),
      g2: fc.integer({ min: 1, max: 3 }),
    });
    const decisions = fc.array(fc.record({ person, group, decision, uid }), { maxLength: 12 });
    fc.assert(
      fc.property(decisions, quorums, (all, { g1, g2 }) => {
        const groups = [
          { name: 'g1', quorum: g1 },
          { name: 'g2', quorum: g2 },
        ];
        const approvals = all.map((each) =>
          approve({
            ...{ by: each.person, group: each.group, decision: each.decision },
            request: { ...SAMPLE_APPROVAL.request, uid: each.uid },
          }),
        );
        const counted = all.filter((each) => each.uid === request.uid && each.group !== 'g3');
        const isDenied = counted.some((each) => each.decision === 'deny');
        const isComplete = groups.every(({ name, quorum }) => {
          const people = counted
            .filter((each) => each.group === name && each.decision === 'approve')
            .map((each) => each.person)
            .filter((each) => each !== 'user');
          return new Set(people).size >= quorum;
        });
        const { outcome } = evaluate(approvals, {
          request: withGroups(...groups),
          userName: 'user',
        });
        return (outcome === 'approved') === (isComplete && !isDenied);
      }),
    );
  });
});

describe('boundRequestFields', () => {
  it('masks tokens and keys', () => {
    const token = `eyJ${'a'.repeat(20)}.${'b'.repeat(20)}.c`;
    const values = [token, 'AKIAABCDEFGHIJKLMNOP', `sk-${'x'.repeat(30)}`, `ghp_${'y'.repeat(36)}`];
    const fields = boundRequestFields(values.map((value) => ({ name: 'body', value })));
    expect(fields.map(({ value }) => value)).toEqual(values.map(() => '[secret]'));
  });

  it('escapes control and bidirectional characters', () => {
    const [field] = boundRequestFields([{ name: 'a\nb', value: 'x\u202Ey\u001B[2J' }]);
    expect(field).toEqual({ name: 'a\\u{a}b', value: 'x\\u{202e}y\\u{1b}[2J' });
  });

  it('always fits the CRD and 8 KiB, and states what it left out', () => {
    const field = fc.record({
      name: fc.string({ minLength: 1, unit: 'binary', maxLength: 300 }),
      value: fc.string({ unit: 'binary', maxLength: 3000 }),
    });
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 100 }), (fields) => {
        const bounded = boundRequestFields(fields);
        const spec = { ...SAMPLE_REQUEST, request: bounded };
        const last = bounded.at(-1);
        const left = last?.name === '…' ? Number.parseInt(last.value) : 0;
        const listed = left === 0 ? bounded.length : bounded.length - 1;
        return (
          read(approvalRequestSpec, spec).ok &&
          Buffer.byteLength(JSON.stringify(bounded)) <= 8 * 1024 &&
          listed + left === fields.length
        );
      }),
    );
  });
});

describe('checkRequestLimits', () => {
  const open: CountedRequest = {
    ...{ podUid: 'u1', createdAt: NOW - MINUTE, expiresAt: NOW + 5 * MINUTE },
  };
  const repeat = (count: number, each: CountedRequest): CountedRequest[] =>
    Array.from({ length: count }, () => each);
  const check = (requests: readonly CountedRequest[]) =>
    checkRequestLimits(requests, { podUid: 'u1', now: NOW });

  it('allows ten open requests of a pod', () => {
    expect(check(repeat(9, open))).toBeUndefined();
    expect(check(repeat(10, open))).toMatchObject({
      ...{ code: 'too_many_approvals', retryAfterMs: 5 * MINUTE },
    });
  });

  it('does not count what is used, denied or expired as open', () => {
    const closed = [
      ...repeat(4, { ...open, state: 'used' }),
      ...repeat(2, { ...open, state: 'denied' }),
      ...repeat(4, { ...open, expiresAt: NOW }),
    ];
    expect(check(closed)).toBeUndefined();
  });

  it('allows fifty open requests of a namespace', () => {
    expect(check(repeat(50, { ...open, podUid: 'u2' }))).toMatchObject({
      ...{ code: 'too_many_approvals' },
    });
    expect(check(repeat(49, { ...open, podUid: 'u2' }))).toBeUndefined();
  });

  it('allows twenty new requests of a pod in an hour', () => {
    const used = { ...open, state: 'used' } as const;
    expect(check(repeat(20, used))).toMatchObject({ retryAfterMs: 59 * MINUTE });
    expect(check(repeat(20, { ...used, createdAt: NOW - 60 * MINUTE }))).toBeUndefined();
  });

  it('closes a pod for a quarter of an hour after the third denial in an hour', () => {
    const denied = { ...open, state: 'denied', since: NOW - MINUTE } as const;
    expect(check(repeat(2, denied))).toBeUndefined();
    expect(check(repeat(3, denied))).toMatchObject({
      ...{ code: 'approval_cooldown', retryAfterMs: 14 * MINUTE },
    });
    expect(check(repeat(3, { ...denied, since: NOW - COOLDOWN_MS }))).toBeUndefined();
  });
});
