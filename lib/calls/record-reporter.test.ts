import { describe, expect, it } from '@jest/globals';

import { ExchangeError } from '../contract/exchange.ts';
import { createFakeTime } from '../runs/fixtures/fake-time.ts';
import type { CallReport } from './journal.ts';
import { createRecordReporter } from './record-reporter.ts';

type Sent = {
  readonly report: CallReport;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
};

const setUp = () => {
  const time = createFakeTime();
  const sent: Sent[] = [];
  const outcomes: string[] = [];
  const reporter = createRecordReporter({
    schedule: time.schedule,
    random: () => 1,
    send: (report) =>
      new Promise((resolve, reject) => sent.push({ report, done: resolve, fail: reject })),
    onOutcome: ({ run, calls }, outcome) =>
      outcomes.push(`${run} ${calls.from}-${calls.to} ${outcome}`),
  });
  return { time, sent, outcomes, reporter };
};

const buildReport = (run: string, from: number, to = from): CallReport => ({
  run,
  calls: {
    ...{ from, to, hash: `${to}`.padStart(64, '0'), startedAt: from, endedAt: to },
    counts: { allowed: to - from + 1, refused: 0, failed: 0, cut: 0 },
    ...{ bytesIn: 1, bytesOut: 2, refusals: [], omitted: { refusals: 0, used: 0 } },
    used: [{ action: 's3:GetObject', resource: `arn:aws:s3:::b${from}/` }],
  },
});
const unreachable = new ExchangeError('unavailable', 'authority_unreachable', 'away');

describe('createRecordReporter', () => {
  it('merges the heads of a run while the authority is unavailable', async () => {
    const { time, sent, outcomes, reporter } = setUp();
    reporter.report(buildReport('a', 0, 4));
    reporter.report(buildReport('b', 0));
    reporter.report(buildReport('a', 5, 9));
    sent[0]?.fail(unreachable);
    await time.settle();
    reporter.report(buildReport('a', 10));
    await time.advance(60_000);
    expect(sent[1]?.report).toEqual({
      run: 'a',
      calls: {
        ...buildReport('a', 0, 10).calls,
        ...{ bytesIn: 3, bytesOut: 6 },
        used: [0, 5, 10].map((at) => ({
          action: 's3:GetObject',
          resource: `arn:aws:s3:::b${at}/`,
        })),
      },
    });
    sent[1]?.done();
    await time.settle();
    sent[2]?.done();
    await time.settle();
    expect(outcomes).toEqual(['a 0-10 reported', 'b 0-0 reported']);
  });

  it('holds the heads of at most 256 runs, and gives up the oldest', async () => {
    const { time, sent, outcomes, reporter } = setUp();
    reporter.report(buildReport('first', 0));
    sent[0]?.fail(unreachable);
    await time.settle();
    for (let at = 0; at < 300; at += 1) reporter.report(buildReport(`run-${at}`, 0));
    expect(outcomes).toHaveLength(45);
    expect(outcomes[0]).toBe('first 0-0 given_up');
  });

  it('does not repeat a report that the authority refuses', async () => {
    const { time, sent, outcomes, reporter } = setUp();
    reporter.report(buildReport('a', 0));
    sent[0]?.fail(new ExchangeError('refused', 'run_not_owned', 'no'));
    await time.advance(120_000);
    expect([sent.length, outcomes]).toEqual([1, ['a 0-0 refused']]);
  });

  it('sends what waits concurrently when the pod ends, and waits no longer than it may', async () => {
    const { time, sent, outcomes, reporter } = setUp();
    reporter.report(buildReport('a', 0));
    sent[0]?.fail(unreachable);
    await time.settle();
    reporter.report(buildReport('b', 0));
    let isDrained = false;
    void reporter.drain(1_000).then(() => (isDrained = true));
    await time.settle();
    expect(
      sent
        .slice(1)
        .map(({ report }) => report.run)
        .sort(),
    ).toEqual(['a', 'b']);
    sent[1]?.done();
    await time.advance(999);
    expect(isDrained).toBe(false);
    await time.advance(1);
    expect([isDrained, outcomes.length]).toEqual([true, 1]);
  });
});
