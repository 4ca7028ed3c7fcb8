import { describe, expect, it } from '@jest/globals';

import fc from '../../../test/kit/fast-check.ts';
import { buildDenyListPolicy, type DeniedRun } from './deny-list-policy.ts';
import type { DeniedSessions } from './denied-sessions.ts';
import { buildSessionName, truncatePodName } from './session-name.ts';

const now = Date.parse('2030-01-01T00:00:00Z');
const buildRun = (index: number, deadline = now + 600_000): DeniedRun => ({
  run: `run${String(index).padStart(29, '0')}`,
  deadline,
  hasCompleted: false,
});
const listDeniedUserIds = (policy = '{"Statement":[]}'): readonly string[] => {
  const { Statement } = JSON.parse(policy) as {
    Statement: { Condition: { StringLike?: { 'aws:userid': string | string[] } } }[];
  };
  return Statement.flatMap(({ Condition }) => Condition.StringLike?.['aws:userid'] ?? []);
};

describe('buildDenyListPolicy', () => {
  it('denies each run by the end of its session name', () => {
    const { policy, omittedRuns } = buildDenyListPolicy(
      { runs: [buildRun(1)], sessions: [] },
      { now },
    );
    expect(omittedRuns).toEqual([]);
    expect(policy).toBe(
      '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*",' +
        '"Condition":{"StringLike":{"aws:userid":["*@run00000000000000000000000000001"]}}}]}',
    );
    const name = buildSessionName({ podName: 'agent', run: buildRun(1).run });
    expect(`AROAEXAMPLE:${name}`.endsWith(listDeniedUserIds(policy)[0]?.slice(1) ?? '?')).toBe(
      true,
    );
  });

  it('denies sessions by tag that were issued until a time, rounded up to the second', () => {
    const tags = { 'valetkey-namespace': 'research', 'valetkey-task': 'summarize' };
    const sessions = [{ tags, issuedUntil: now + 1 }];
    expect(buildDenyListPolicy({ runs: [], sessions }, { now }).policy).toBe(
      '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*",' +
        '"Condition":{"StringEquals":{"aws:PrincipalTag/valetkey-namespace":"research",' +
        '"aws:PrincipalTag/valetkey-task":"summarize"},' +
        '"DateLessThanEquals":{"aws:TokenIssueTime":"2030-01-01T00:00:01Z"}}}]}',
    );
  });

  it('denies a pod by the truncated name in its session names', () => {
    const podName = 'p'.repeat(60);
    const sessions = [{ tags: {}, issuedUntil: now, podName }];
    const [pattern = ''] = listDeniedUserIds(
      buildDenyListPolicy({ runs: [], sessions }, { now }).policy,
    );
    expect(pattern).toBe(`*:${'p'.repeat(31)}@*`);
    expect(buildSessionName({ podName, run: buildRun(1).run })).toMatch(/^p{31}@/);
  });

  it('returns no policy when there is nothing to deny, or only runs past their deadline', () => {
    const runs = [buildRun(1, now - 30_000)];
    expect(buildDenyListPolicy({ runs, sessions: [] }, { now })).toEqual({
      ...{ omittedRuns: [], omittedSessions: 0 },
    });
    expect(buildDenyListPolicy({ runs, sessions: [] }, { now: now - 1 }).policy).toBeDefined();
  });

  it('omits the runs that expire first when not all fit, and returns them', () => {
    const runs = Array.from({ length: 400 }, (_, index) => buildRun(index, now + index * 1000));
    const { policy = '', omittedRuns } = buildDenyListPolicy({ runs, sessions: [] }, { now });
    expect(policy.length).toBeLessThanOrEqual(10_240);
    expect(policy.length).toBeGreaterThan(10_240 - 40);
    expect(omittedRuns).toContain(buildRun(0).run);
    expect(omittedRuns).not.toContain(buildRun(399).run);
    expect(listDeniedUserIds(policy)).toHaveLength(400 - omittedRuns.length);
  });

  it('denies a revoked run even if many runs have completed since', () => {
    const revoked = buildRun(0, now + 1000);
    const completed = Array.from({ length: 400 }, (_, index) => ({
      ...buildRun(index + 1),
      hasCompleted: true,
    }));
    const { policy, omittedRuns } = buildDenyListPolicy(
      { runs: [...completed, revoked], sessions: [] },
      { now },
    );
    expect(omittedRuns.length).toBeGreaterThan(100);
    expect(listDeniedUserIds(policy)).toContain(`*@${revoked.run}`);
  });

  it('denies a run that was revoked even if pods reported many revoked ones', () => {
    const revoked = buildRun(0, now + 1000);
    const reported = Array.from({ length: 400 }, (_, index) => ({
      ...buildRun(index + 1),
      isReported: true,
    }));
    const completed = { ...buildRun(500, now + 900_000), hasCompleted: true, isReported: true };
    const runs = [...reported, completed, revoked];
    const { policy, omittedRuns } = buildDenyListPolicy({ runs, sessions: [] }, { now });
    expect(listDeniedUserIds(policy)[0]).toBe(`*@${revoked.run}`);
    expect(omittedRuns).toContain(completed.run);
  });

  it('denies or returns every run that has not expired, and always fits', () => {
    const run = fc.record({
      run: fc.stringMatching(/^[a-z2-7]{32}$/),
      deadline: fc.integer({ min: now - 60_000, max: now + 600_000 }),
      hasCompleted: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 60 }), fc.nat(2500), (runs, maxLength) => {
        const { policy = '', omittedRuns } = buildDenyListPolicy(
          { runs, sessions: [] },
          { now, maxLength },
        );
        expect(policy.length).toBeLessThanOrEqual(maxLength);
        const reported = [
          ...omittedRuns,
          ...listDeniedUserIds(policy || undefined).map((each) => each.slice(2)),
        ];
        const active = runs.filter(({ deadline }) => deadline + 30_000 > now);
        expect(reported.sort()).toEqual(active.map((each) => each.run).sort());
      }),
    );
  });
});

const tagNamespace = (namespace: string) => ({ 'valetkey-namespace': namespace });
const buildPod = (namespace: string, index: number, issuedUntil = now): DeniedSessions => ({
  ...{ tags: tagNamespace(namespace), issuedUntil },
  podName: `agent-${String(index).padStart(4, '0')}-7d4b9c6f5d`,
});

type Read = {
  readonly StringEquals?: Readonly<Record<string, string | string[]>>;
  readonly StringLike?: { readonly 'aws:userid': string | string[] };
  readonly DateLessThanEquals?: { readonly 'aws:TokenIssueTime': string };
};
const readConditions = (policy = '{"Statement":[]}'): readonly Read[] =>
  (JSON.parse(policy) as { Statement: { Condition: Read }[] }).Statement.map(
    ({ Condition }) => Condition,
  );

/** As IAM evaluates the conditions; patterns are `*:<name>@*`. */
const isDenied = (policy: string | undefined, { tags, podName, issuedUntil }: DeniedSessions) =>
  readConditions(policy).some(
    ({ StringEquals = {}, StringLike, DateLessThanEquals }) =>
      Object.entries(StringEquals).every(([key, values]) =>
        [values].flat().includes(tags[key.replace('aws:PrincipalTag/', '')] ?? ''),
      ) &&
      (StringLike === undefined ||
        [StringLike['aws:userid']].flat().includes(`*:${truncatePodName(podName ?? '')}@*`)) &&
      issuedUntil <= Date.parse(DateLessThanEquals?.['aws:TokenIssueTime'] ?? ''),
  );

describe('buildDenyListPolicy for sets of sessions', () => {
  it('merges the pods of a namespace, and sets that differ in their last tag', () => {
    const account = { ...tagNamespace('a'), 'valetkey-service-account': 's' };
    const sessions: readonly DeniedSessions[] = [
      ...[1, 2, 3].map((index) => buildPod('a', index)),
      ...['t', 'u'].map((task) => ({
        ...{ tags: { ...account, 'valetkey-task': task }, issuedUntil: now },
      })),
      ...['b', 'c'].map((name) => ({ tags: tagNamespace(name), issuedUntil: now })),
    ];
    const { policy } = buildDenyListPolicy({ runs: [], sessions }, { now });
    expect(readConditions(policy).map(({ StringEquals, StringLike }) => StringLike ?? StringEquals))
      // Each list is one statement.
      .toEqual([
        { 'aws:PrincipalTag/valetkey-namespace': ['b', 'c'] },
        {
          'aws:PrincipalTag/valetkey-namespace': 'a',
          'aws:PrincipalTag/valetkey-service-account': 's',
          'aws:PrincipalTag/valetkey-task': ['t', 'u'],
        },
        { 'aws:userid': sessions.slice(0, 3).map(({ podName = '' }) => `*:${podName}@*`) },
      ]);
    expect(isDenied(policy, buildPod('b', 1))).toBe(true);
    expect(isDenied(policy, buildPod('a', 4))).toBe(false);
  });

  it('omits a set that a broader one includes, unless it ends later', () => {
    const sessions = [
      buildPod('a', 1),
      buildPod('a', 2, now + 1),
      { tags: tagNamespace('a'), issuedUntil: now },
    ];
    const { policy } = buildDenyListPolicy({ runs: [], sessions }, { now });
    expect(readConditions(policy)).toHaveLength(2);
    expect(policy).not.toContain('agent-0001');
    expect(policy).toContain('agent-0002');
  });

  it('keeps the few sets of a namespace when another one has a thousand, and counts the omitted', () => {
    const many = Array.from({ length: 1_000 }, (_, index) =>
      buildPod('crowded', index, now - index * 3_000),
    );
    const few = [1, 2, 3].map((index) => buildPod('quiet', index, now - 3_500_000));
    const { policy = '', omittedSessions } = buildDenyListPolicy(
      { runs: [], sessions: [...many, ...few] },
      { now },
    );
    expect(policy.length).toBeLessThanOrEqual(10_240);
    for (const each of few) expect(isDenied(policy, each)).toBe(true);
    const denied = many.filter((each) => isDenied(policy, each));
    expect(denied.length).toBeGreaterThan(150);
    expect(omittedSessions).toBe(1_000 - denied.length);
    expect(denied).toEqual(many.slice(0, denied.length));
  });

  it('keeps what is about every namespace, and a namespace before its pods', () => {
    const many = Array.from({ length: 300 }, (_, index) => buildPod('a', index, now + 1_000));
    const namespace = { tags: tagNamespace('a'), issuedUntil: now - 1 };
    const all = { tags: {}, issuedUntil: now - 60_000 };
    const { policy } = buildDenyListPolicy(
      { runs: [], sessions: [...many, namespace, all] },
      { now },
    );
    expect(isDenied(policy, namespace)).toBe(true);
    expect(isDenied(policy, { ...all, tags: tagNamespace('z') })).toBe(true);
  });

  it('leaves half of the policy to revoked runs, but not to others', () => {
    const sessions = Array.from({ length: 1_000 }, (_, index) => buildPod('a', index));
    const runs = Array.from({ length: 400 }, (_, index) => buildRun(index));
    const full = buildDenyListPolicy({ runs, sessions }, { now });
    expect(full.policy?.length).toBeLessThanOrEqual(10_240);
    expect(runs.length - full.omittedRuns.length).toBeGreaterThan(120);
    expect(full.omittedSessions).toBeLessThan(900);
    const reported = runs.map((run) => ({ ...run, isReported: true }));
    const other = buildDenyListPolicy({ runs: reported, sessions }, { now });
    expect(other.omittedSessions).toBeLessThan(full.omittedSessions);
  });

  it('denies every set or counts it, and always fits', () => {
    const label = fc.constantFrom('a', 'b', 'c');
    const tags = fc.oneof(
      fc.constant({}),
      label.map(tagNamespace),
      fc.record({ 'valetkey-namespace': label, 'valetkey-service-account': label }),
    );
    const set = fc.record({ tags, issuedUntil: fc.integer({ min: now, max: now + 90_000 }) });
    const pod = fc
      .tuple(label, fc.nat(9), fc.nat(90_000))
      .map(([namespace, index, later]) => buildPod(namespace, index, now + later));
    fc.assert(
      fc.property(fc.array(fc.oneof(set, pod)), fc.nat(3000), (sessions, maxLength) => {
        const { policy, omittedSessions } = buildDenyListPolicy(
          { runs: [], sessions },
          { now, maxLength },
        );
        expect(policy?.length ?? 0).toBeLessThanOrEqual(maxLength);
        const open = sessions.filter((each) => !isDenied(policy, each));
        expect(open.length === 0 || omittedSessions > 0).toBe(true);
        expect(omittedSessions).toBeLessThanOrEqual(sessions.length);
      }),
    );
  });
});
