import { describe, expect, it } from '@jest/globals';

import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import type { Revocation } from '../../lib/contract/authority-api.ts';
import { indexRevocations } from '../../lib/revocation/matching.ts';
import { ORPHAN_CHECK_MS, ORPHAN_CONFIRM_MS, startOrphanedRuns } from './orphaned-runs.ts';

const ROLE = 'arn:aws:iam::111122223333:role/agent-reports';
const DEADLINE = 600_000;

const buildIssued = (run: string, pod = 'agent-1', role = ROLE): AuditEvent => ({
  ...{ kind: 'run.issued', at: 0, run, task: 'summarize' },
  actor: { namespace: 'research', serviceAccount: 'agent', pod, podUid: `uid-${pod}` },
  scope: { role, actions: [], resources: [], deadline: DEADLINE },
  decision: { outcome: 'allow', policies: ['starter/0'], version: 'v1' },
});

const settle = () => new Promise((resolve) => setImmediate(resolve));

const start = () => {
  const records: AuditEvent[] = [];
  const ended: string[] = [];
  const failures: string[] = [];
  const running = new Set(['uid-agent-1']);
  let revocations: readonly Revocation[] = [];
  let lists = 0;
  let now = 0;
  let monotonic = 0;
  let listMs = 0;
  let isRefusing = false;
  let reports = 0;
  let limit = Infinity;
  let next = { delayMs: 0, action: (): void => undefined };
  const orphaned = startOrphanedRuns({
    roles: [ROLE],
    listRunningPods: () => {
      lists += 1;
      monotonic += listMs;
      return Promise.resolve(new Set(running));
    },
    revocations: { index: () => indexRevocations(revocations), isCurrent: () => true },
    reportRunEnd: ({ run, end, hasDelegated }) => {
      if (isRefusing) return Promise.reject(new Error('no API server'));
      reports += 1;
      if (reports > limit) return Promise.resolve(false);
      ended.push(`${run} ${end}${hasDelegated ? ' delegated' : ''}`);
      return Promise.resolve(true);
    },
    record: (event) => Promise.resolve(void records.push(event)),
    onEnded: () => undefined,
    clock: { now: () => now, monotonic: () => monotonic },
    random: () => 0.5,
    onFailure: (message) => void failures.push(message),
    schedule: (delayMs, action) => {
      next = { delayMs, action };
      return () => undefined;
    },
  });
  /** The next pass of the loop, which begins after so long: `random` 0.5 means no jitter. */
  const pass = async (ms: number): Promise<void> => {
    await settle();
    expect(next.delayMs).toBe(ms);
    now += ms;
    next.action();
    await settle();
  };
  return {
    ...{ orphaned, records, ended, failures, running, pass },
    countLists: () => lists,
    slowDown: (ms: number) => void (listMs = ms),
    countReports: () => reports,
    limitReports: (most: number) => void (limit = most),
    refuse: (state: boolean) => void (isRefusing = state),
    revoke: (run: string) => {
      const spec = { run, reason: 'completed', by: 'authority' };
      revocations = [{ name: `run-${run}`, uid: run, createdAt: 0, spec }];
    },
  };
};

describe('startOrphanedRuns', () => {
  it('ends a run when its pod is missing in two lists, with a record of whose it was', async () => {
    const { orphaned, records, ended, running, pass } = start();
    orphaned.observe(buildIssued('one'));
    await pass(ORPHAN_CHECK_MS);
    running.clear();
    await pass(ORPHAN_CHECK_MS);
    expect(ended).toEqual([]);
    await pass(ORPHAN_CONFIRM_MS);
    expect(ended).toEqual(['one terminated']);
    expect(records).toEqual([
      {
        ...{ kind: 'run.ended', at: expect.any(Number), run: 'one', reason: 'terminated' },
        ...{ actor: buildIssued('one').actor, task: 'summarize', deadline: DEADLINE },
        decision: buildIssued('one').decision,
        message: 'the pod has ended, and no end of this run was published',
      },
    ]);
    await pass(ORPHAN_CHECK_MS);
    expect(ended).toHaveLength(1);
  });

  it('leaves a run whose end was published, by any replica, or whose deadline has passed', async () => {
    const { orphaned, ended, running, pass, revoke, countLists } = start();
    orphaned.observe(buildIssued('one'));
    running.clear();
    await pass(ORPHAN_CHECK_MS);
    revoke('one');
    await pass(ORPHAN_CONFIRM_MS);
    orphaned.observe({ ...buildIssued('two'), scope: undefined, deadline: 1 } as never);
    orphaned.observe({ ...buildIssued('three'), kind: 'delegation.minted', deadline: 1 });
    const lists = countLists();
    await pass(ORPHAN_CHECK_MS);
    expect(ended).toEqual([]);
    expect(countLists()).toBe(lists);
  });

  it('follows roles with a deny list, and runs that delegated, and lists no pods without them', async () => {
    const { orphaned, ended, running, pass, countLists } = start();
    orphaned.observe(buildIssued('other', 'agent-1', `${ROLE}-2`));
    orphaned.observe({ ...buildIssued('refused'), kind: 'run.refused' });
    running.clear();
    await pass(ORPHAN_CHECK_MS);
    expect(countLists()).toBe(0);
    const { scope, ...minted } = buildIssued('parent', 'agent-1', `${ROLE}-2`);
    expect(scope?.deadline).toBe(DEADLINE);
    orphaned.observe({ ...minted, kind: 'delegation.minted', deadline: DEADLINE });
    await pass(ORPHAN_CHECK_MS);
    await pass(ORPHAN_CONFIRM_MS);
    expect(ended).toEqual(['parent terminated delegated']);
  });

  it('tries again without another record when the end could not be published', async () => {
    const { orphaned, records, ended, failures, running, pass, refuse } = start();
    orphaned.observe(buildIssued('one'));
    running.clear();
    refuse(true);
    await pass(ORPHAN_CHECK_MS);
    await pass(ORPHAN_CONFIRM_MS);
    expect([failures, ended]).toEqual([['run of an ended pod not ended'], []]);
    refuse(false);
    await pass(ORPHAN_CHECK_MS);
    expect([ended, records.length]).toEqual([['one terminated'], 1]);
  });

  it('tries again later when too many runs of a namespace ended, once in each pass', async () => {
    const { orphaned, records, ended, running, pass, limitReports, countReports } = start();
    for (const run of ['one', 'two', 'three']) orphaned.observe(buildIssued(run));
    running.clear();
    limitReports(1);
    await pass(ORPHAN_CHECK_MS);
    await pass(ORPHAN_CONFIRM_MS);
    expect([ended, countReports()]).toEqual([['one terminated'], 2]);
    limitReports(Infinity);
    await pass(ORPHAN_CHECK_MS);
    expect(ended).toEqual(['one terminated', 'two terminated', 'three terminated']);
    expect(records.map(({ run }) => run)).toEqual(['one', 'two', 'three']);
  });

  it('leaves a run whose end was recorded here, whether or not it was published', async () => {
    const { orphaned, ended, running, pass, countLists } = start();
    orphaned.observe(buildIssued('one'));
    orphaned.observe({ ...buildIssued('one'), kind: 'run.ended' });
    running.clear();
    await pass(ORPHAN_CHECK_MS);
    expect([ended, countLists()]).toEqual([[], 0]);
  });

  it('lists pods less often if that takes long, but soon again if a pod is missing', async () => {
    const { orphaned, ended, running, pass, slowDown } = start();
    orphaned.observe(buildIssued('one'));
    slowDown(2_000);
    await pass(ORPHAN_CHECK_MS);
    running.clear();
    await pass(40_000);
    await pass(ORPHAN_CONFIRM_MS);
    expect(ended).toEqual(['one terminated']);
  });

  it('leaves the runs of pods that are running, of which one was missing once', async () => {
    const { orphaned, ended, running, pass } = start();
    orphaned.observe(buildIssued('one'));
    running.clear();
    await pass(ORPHAN_CHECK_MS);
    running.add('uid-agent-1');
    await pass(ORPHAN_CONFIRM_MS);
    running.clear();
    await pass(ORPHAN_CHECK_MS);
    expect(ended).toEqual([]);
  });
});
