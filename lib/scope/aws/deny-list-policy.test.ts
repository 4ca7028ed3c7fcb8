import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { buildDenyListPolicy, type DeniedRun } from './deny-list-policy.ts';
import { buildSessionName } from './session-name.ts';

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
    expect(buildDenyListPolicy({ runs, sessions: [] }, { now })).toEqual({ omittedRuns: [] });
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

  it('throws when not even the statements for sets of sessions fit', () => {
    const sessions = Array.from({ length: 80 }, (_, index) => ({
      tags: { 'valetkey-namespace': `namespace-${index}` },
      issuedUntil: now,
    }));
    expect(() => buildDenyListPolicy({ runs: [], sessions }, { now })).toThrow(
      /at most 10240 characters/,
    );
  });
});
