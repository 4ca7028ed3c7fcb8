import { beforeAll, describe, expect, it } from '@jest/globals';

import type { AuditEvent } from '../../../lib/audit/audit-event.ts';
import { createMemorySink, createTestRecorder } from '../../../lib/audit/fixtures/recording.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import type { ClusterClient } from '../cluster.ts';
import { runCli, type CliFixture } from '../fixtures/cli-harness.ts';

/** The clock of the fixtures. */
const NOW = Date.parse('2026-01-05T13:30:00Z');
const buildActor = (namespace: string, pod: string) => ({
  ...{ namespace, serviceAccount: 'reporter', pod, consumer: 'agent' },
  podUid: '0d7f8f2e-5a52-4f3e-9d8f-111111111111',
});
const scope = {
  role: 'arn:aws:iam::111122223333:role/r',
  ...{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme/*'], deadline: NOW + 600_000 },
};
const decision = { outcome: 'allow', policies: ['valetkey-starter/0'], version: 'v' } as const;
const issue = (run: string, at: number, actor = buildActor('research', 'agent-7')): AuditEvent => ({
  ...{ kind: 'run.issued', at, actor, run, task: 'summarize', scope, decision },
});
const refuse = (at: number): AuditEvent => ({
  ...{ kind: 'run.refused', at, actor: buildActor('sales', 'agent-1'), task: 'write' },
  ...{ requestId: 'request-1', reason: 'policy_denied', message: 'denied by sales/0 \u001b[2J' },
});
const EVENTS: readonly AuditEvent[] = [
  issue('run-a', NOW - 3_600_000),
  refuse(NOW - 50_000),
  issue('run-b', NOW - 40_000),
  issue('run-c', NOW - 30_000, buildActor('research', 'agent-8')),
  {
    kind: 'run.ended',
    at: NOW - 20_000,
    actor: buildActor('research', 'agent-7'),
    run: 'run-b',
    reason: 'completed',
  },
];

const record = async (events: readonly AuditEvent[]): Promise<string> => {
  const { sink, text } = createMemorySink();
  const recorder = await createTestRecorder({ sinks: [sink] });
  for (const event of events) await recorder.record(event);
  await recorder.close();
  return text();
};

let text: string;
beforeAll(async () => {
  text = await record(EVENTS);
});

/** The kinds that text output shows, one for each line. */
const listKinds = (out: string): readonly string[] =>
  out
    .split('\n')
    .flatMap((line) => /^\S+Z {2}(\S+)/.exec(line)?.[1] ?? [])
    .filter((kind) => !kind.startsWith('chain.'));

const query = (words: readonly string[], fixture: CliFixture = {}) =>
  runCli(['audit', 'query', ...words], {
    files: { 'a.jsonl': `{"message":"ready"}\nplain text\n${text}`, '-': text },
    ...fixture,
  });

describe('audit query', () => {
  it.each<readonly [readonly string[], readonly string[]]>([
    [['-n', 'sales'], ['run.refused']],
    [['--pod', 'agent-8'], ['run.issued']],
    [['--task', 'write'], ['run.refused']],
    [
      ['--run', 'run-b'],
      ['run.issued', 'run.ended'],
    ],
    [
      ['--kind', 'run.ended', '--kind', 'run.refused'],
      ['run.refused', 'run.ended'],
    ],
    [['--kind', 'run', '-n', 'research', '--pod', 'agent-8'], ['run.issued']],
    [['--kind', 'ru'], []],
    [['--request', 'request-1'], ['run.refused']],
    [['--request', 'request'], []],
    [['--denied'], ['run.refused']],
    [
      ['--since', '1m', '--kind', 'run'],
      ['run.refused', 'run.issued', 'run.issued', 'run.ended'],
    ],
    [['--until', '2026-01-05T13:00:00Z', '--kind', 'run'], ['run.issued']],
    [
      ['--since', '45s', '--until', '25s', '--kind', 'run'],
      ['run.issued', 'run.issued'],
    ],
  ])('with %j prints the records that match, of a log with other lines', async (words, kinds) => {
    const { code, out, opened } = await query([...words, 'a.jsonl']);
    expect(listKinds(out)).toEqual(kinds);
    expect([code, opened]).toEqual([0, []]);
  });

  it('prints a line for people without control characters', async () => {
    const { out } = await query(['--denied', '-']);
    expect(out).toBe(
      '2026-01-05T13:29:10.000Z  run.refused      sales/agent-1 write  policy_denied: denied by sales/0 \\u{1b}[2J\n',
    );
  });

  it('is red for refusals on a terminal with colors alone', async () => {
    const colored = await query(['--kind', 'run', '--since', '1m', '-'], { hasColor: true });
    const lines = colored.out.trimEnd().split('\n');
    expect(lines.map((line) => line.startsWith('\u001b[31m'))).toEqual([true, false, false, false]);
    expect((await query(['--denied', '-'])).out).not.toContain('\u001b');
  });

  it('prints with -o json the line of the record, which can be queried and verified again', async () => {
    const { out } = await query(['--denied', '-o', 'json', '-']);
    expect(text).toContain(out);
    expect((await query(['--task', 'write', '-'], { files: { '-': out } })).out).not.toBe('');
  });

  it('prints with -o yaml a document for each record', async () => {
    const { out } = await query(['--run', 'run-b', '-o', 'yaml', '-']);
    expect(out.match(/^---$/gm)).toHaveLength(2);
    expect(out).toContain('  kind: run.ended\n');
  });

  it.each(['yesterday', '5', '2026-13-01', '3w'])('refuses the time %s', async (time) => {
    const { code, error } = await query(['--since', time, 'a.jsonl']);
    expect(error).toContain('expected 90s, 15m, 2h, 7d or 2026-01-05T13:30:00Z.');
    expect(code).toBe(2);
  });

  it('names a file that cannot be read', async () => {
    const { code, error } = await query(['none.jsonl']);
    expect(error).toBe('"none.jsonl": expected a readable file, got ENOENT\n');
    expect(code).toBe(2);
  });
});

type ReadLog = ClusterClient['readAuthorityLog'];
const withLog = (readAuthorityLog: ReadLog): CliFixture => ({ cluster: { readAuthorityLog } });
const KNOWN_SINCE = NOW - 3_660_000;
const readSameLog: ReadLog = ({ pod }) =>
  Promise.resolve({ text: pod.endsWith('-0') ? text : '', knownSince: KNOWN_SINCE });

describe('audit tail', () => {
  const tail = (words: readonly string[], fixture: CliFixture) =>
    runCli(['audit', 'tail', ...words], { runsTimers: true, ...fixture });

  it('prints what the logs of all replicas have since a time, and ends with --no-follow', async () => {
    const since = await tail(['--no-follow'], withLog(readSameLog));
    expect(listKinds(since.out)).toEqual(['run.refused', 'run.issued', 'run.issued', 'run.ended']);
    const denied = await tail(['--no-follow', '--denied', '-n', 'sales'], withLog(readSameLog));
    expect(listKinds(denied.out)).toEqual(['run.refused']);
    expect([since.code, since.error]).toEqual([0, '']);
  });

  it('follows the logs, prints each record once, and ends with an interrupt', async () => {
    const more = await record([issue('run-d', NOW + 1_000)]);
    let interrupt = (): void => undefined;
    let reads = 0;
    const result = await tail(['--kind', 'run.issued'], {
      cluster: {
        readAuthorityLog: ({ pod, windowSeconds }) => {
          if (pod.endsWith('-1')) return Promise.resolve({ text: '', knownSince: KNOWN_SINCE });
          reads += 1;
          if (reads > 1) expect(windowSeconds).toBeLessThan(60);
          if (reads === 4) interrupt();
          return Promise.resolve({
            text: reads < 3 ? text : `${text}${more}`,
            knownSince: KNOWN_SINCE,
          });
        },
      },
      onInterruptible: (given) => (interrupt = given),
    });
    expect(result.out.match(/run run-\w/g)).toEqual(['run run-b', 'run run-c', 'run run-d']);
    expect([reads, result.code]).toEqual([4, 0]);
  });

  it('says once what it cannot read, and exits with 4 if it ends by itself', async () => {
    const readAuthorityLog: ReadLog = ({ pod }) =>
      pod.endsWith('-0')
        ? readSameLog({ pod, windowSeconds: 1, maxBytes: 1, now: NOW })
        : Promise.reject(
            new KubernetesError('refused', `get log of pod valetkey/${pod}`, {
              ...{ status: 403, reason: 'status 403' },
            }),
          );
    const { code, error, out } = await tail(['--no-follow'], withLog(readAuthorityLog));
    expect(error).toBe('get log of pod valetkey/valetkey-authority-1: refused (status 403)\n');
    expect(listKinds(out)).toHaveLength(4);
    expect(code).toBe(4);
  });

  it('says if a log begins later than it was asked for', async () => {
    const { code, error } = await tail(
      ['--no-follow', '--since', '2h'],
      withLog(() => Promise.resolve({ text, knownSince: NOW - 60_000 })),
    );
    expect(error).toContain(
      'valetkey-authority-0: records before 2026-01-05T13:29:00.000Z may be missing',
    );
    expect(code).toBe(0);
  });

  it('says if there is no authority', async () => {
    const { code, error } = await tail(['--no-follow'], {
      cluster: { readAuthority: () => Promise.resolve(undefined) },
    });
    expect([code, error]).toEqual([4, 'the authority has no replicas\n']);
  });
});

describe('runs', () => {
  const runs = (words: readonly string[], fixture = withLog(readSameLog)) =>
    runCli(['runs', ...words], fixture);

  it('lists runs that are live', async () => {
    const { code, out } = await runs([]);
    expect(out).toBe(`NAMESPACE  POD      CONTAINER  TASK       RUN    ENDS IN  USER
research   agent-8  agent      summarize  run-c  10m
research   agent-7  agent      summarize  run-a  10m

From records since 2026-01-05T12:29:00.000Z; runs that started earlier may be missing.
`);
    expect(code).toBe(0);
  });

  it.each([
    [['--pod', 'agent-8'], ['run-c']],
    [['-n', 'sales'], []],
    [
      ['--task', 'summarize', '-n', 'research'],
      ['run-c', 'run-a'],
    ],
  ])('with %j lists those that match', async (words, expected) => {
    const { out } = await runs([...words, '-o', 'json']);
    const found = JSON.parse(out) as { runs: { run: string }[] };
    expect(found.runs.map(({ run }) => run)).toEqual(expected);
  });

  it('exits with 4 if it could not read all logs', async () => {
    const { code, out } = await runs(
      [],
      withLog(() =>
        Promise.reject(new KubernetesError('refused', 'get log', { status: 403, reason: 'r' })),
      ),
    );
    expect(out).toContain('No live runs are known.\n');
    expect(out).toContain('Not read: get log: refused (status 403)\n');
    expect(code).toBe(4);
  });
});
