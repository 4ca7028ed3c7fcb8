import { describe, expect, it } from '@jest/globals';

import type { AuditEvent } from '../../../lib/audit/audit-event.ts';
import { createMemorySink, createTestRecorder } from '../../../lib/audit/fixtures/recording.ts';
import type { Revocation, RevocationSpec } from '../../../lib/contract/authority-api.ts';
import { createHealthyCluster } from '../fixtures/cli-harness.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import { listDecisions, listLiveRuns } from './live-runs.ts';
import { createRecordsReader, parseRecords } from './shown-records.ts';

const NOW = Date.parse('2026-01-05T13:30:00Z');
const actor = {
  ...{ namespace: 'research', serviceAccount: 'reporter', pod: 'agent-7' },
  ...{ podUid: '0d7f8f2e-5a52-4f3e-9d8f-111111111111', consumer: 'agent' },
};

const issue = (run: string, deadline = NOW + 60_000): AuditEvent => ({
  ...{ kind: 'run.issued', at: NOW - 60_000, actor, run, task: 'summarize' },
  scope: {
    role: 'arn:aws:iam::111122223333:role/r',
    actions: ['s3:GetObject'],
    resources: ['arn:aws:s3:::acme/<b>\u202e'],
    deadline,
  },
  decision: { outcome: 'allow', policies: ['valetkey-starter/0'], version: 'v' },
});

const record = async (events: readonly AuditEvent[]): Promise<string> => {
  const { sink, text } = createMemorySink();
  const recorder = await createTestRecorder({ sinks: [sink] });
  for (const event of events) await recorder.record(event);
  await recorder.close();
  return text();
};

const revoke = (spec: Partial<RevocationSpec>): Revocation => ({
  ...{ name: 'r', uid: 'u', createdAt: NOW },
  spec: { reason: 'odd', by: 'alice', ...spec },
});

const listRuns = async (
  events: readonly AuditEvent[],
  revocations: readonly Revocation[] = [],
): Promise<readonly string[]> =>
  listLiveRuns(parseRecords([await record(events)]), revocations, NOW).map(({ run }) => run);

describe('listLiveRuns', () => {
  it('lists a run that was issued, with its workload and its scope', async () => {
    const [run] = listLiveRuns(parseRecords([await record([issue('run-a')])]), [], NOW);
    expect(run).toMatchObject({
      ...{ run: 'run-a', namespace: 'research', serviceAccount: 'reporter', pod: 'agent-7' },
      ...{ consumer: 'agent', task: 'summarize', deadline: NOW + 60_000 },
      ...{ actions: ['s3:GetObject'], policies: ['valetkey-starter/0'] },
    });
  });

  it('omits runs that ended, were denied again, or whose deadline is over', async () => {
    const events: AuditEvent[] = [
      ...['a', 'b', 'c'].map((run) => issue(run)),
      issue('d', NOW),
      { kind: 'run.ended', at: NOW, actor, run: 'a', reason: 'completed' },
      { kind: 'run.redecided', at: NOW, actor, run: 'b', reason: 'policy_denied' },
    ];
    expect(await listRuns(events)).toEqual(['c']);
  });

  it.each<readonly [string, Partial<RevocationSpec>, readonly string[]]>([
    ['the run', { run: 'a' }, ['b']],
    ['the pod', { pod: { namespace: 'research', name: 'agent-7' } }, []],
    ['the namespace', { namespace: 'research' }, []],
    ['another pod', { pod: { namespace: 'research', name: 'agent-8' } }, ['b', 'a']],
    ['a time before the run', { all: true, until: '2026-01-05T13:00:00Z' }, ['b', 'a']],
  ])('considers a Revocation of %s', async (_, spec, left) => {
    expect(await listRuns([issue('a'), issue('b')], [revoke(spec)])).toEqual(left);
  });

  it('finds the end of a run in the log of another replica, and repeated records once', async () => {
    const one = await record([issue('a'), issue('b')]);
    const other = await record([{ kind: 'run.ended', at: NOW, actor, run: 'a', reason: 'done' }]);
    const runs = listLiveRuns(parseRecords([one, `${one}${other}`]), [], NOW);
    expect(runs.map(({ run }) => run)).toEqual(['b']);
  });
});

describe('parseRecords', () => {
  it('ignores other lines, truncated records and records that were changed', async () => {
    const text = await record([issue('a')]);
    const forged = text.replace('agent-7', 'agent-8');
    const found = parseRecords(['{"level":"info"}\nplain text', forged, text.slice(0, 200), text]);
    expect(found.filter(({ kind }) => kind === 'run.issued')).toHaveLength(1);
  });
});

describe('listDecisions', () => {
  it('lists the last 200, the newest first, without what only accompanies them', async () => {
    const refusals = Array.from({ length: 210 }, (_, at): AuditEvent => ({
      ...{ kind: 'run.refused', at: NOW + at, actor, run: `r${at}` },
      ...{ reason: 'policy_denied', message: 'forbidden' },
    }));
    const intent: AuditEvent = { kind: 'run.intent', at: NOW + 999, actor, run: 'x' };
    const shown = listDecisions(parseRecords([await record([...refusals, intent])]));
    expect(shown).toHaveLength(200);
    expect(shown[0]).toMatchObject({ run: 'r209', code: 'policy_denied', message: 'forbidden' });
  });
});

describe('createRecordsReader', () => {
  const clock = { now: () => NOW, monotonic: () => 0 };

  it('asks each replica for the longest lifetime and a minute, and for at most 16 MiB', async () => {
    const asked: object[] = [];
    const cluster = {
      ...createHealthyCluster(),
      readAuthorityLog: (request: { readonly pod: string }) => {
        asked.push(request);
        const late = request.pod.endsWith('1') ? 1000 : 5000;
        return Promise.resolve({ text: '', knownSince: NOW - late });
      },
    };
    const read = createRecordsReader(cluster, clock);
    expect(await read()).toEqual({ records: [], knownSince: NOW - 1000, problems: [] });
    await read();
    const rest = { windowSeconds: 3660, maxBytes: 16 * 1024 * 1024, now: NOW };
    expect(asked).toEqual([
      { pod: 'valetkey-authority-0', ...rest },
      { pod: 'valetkey-authority-1', ...rest },
    ]);
  });

  it('says what is missing if the log of one replica cannot be read', async () => {
    const text = await record([issue('a')]);
    const cluster = {
      ...createHealthyCluster(),
      readAuthorityLog: ({ pod }: { readonly pod: string }) =>
        pod.endsWith('0')
          ? Promise.resolve({ text, knownSince: NOW - 5000 })
          : Promise.reject(
              new KubernetesError('refused', `get log of pod valetkey/${pod}`, {
                ...{ status: 403, reason: 'a body with secrets' },
              }),
            ),
    };
    const { problems, knownSince, records } = await createRecordsReader(cluster, clock)();
    expect(problems).toEqual([
      'get log of pod valetkey/valetkey-authority-1: refused (status 403)',
    ]);
    expect(knownSince).toBe(NOW);
    expect(records.some(({ run }) => run === 'a')).toBe(true);
  });
});
