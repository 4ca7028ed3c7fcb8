import { describe, expect, test } from '@jest/globals';

import { createEndReportQueue, type EndReport } from './end-reports.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';

type Sent = { readonly run: string; readonly done: () => void; readonly fail: (e: Error) => void };

const setUpQueue = () => {
  const time = createFakeTime();
  const sent: Sent[] = [];
  const outcomes: string[] = [];
  const reports = createEndReportQueue({
    ...time,
    random: () => 1,
    send: ({ run }) =>
      new Promise((resolve, reject) => sent.push({ run, done: resolve, fail: reject })),
    onOutcome: ({ run }, outcome) => outcomes.push(`${run} ${outcome}`),
  });
  return { time, sent, outcomes, reports };
};

const buildReport = (run: string, until = 600_000): EndReport => ({ run, end: 'completed', until });
const unreachable = new ExchangeError('unavailable', 'authority_unreachable', 'away');

describe('createEndReportQueue', () => {
  test('sends reports one at a time', async () => {
    const { reports, sent, outcomes, time } = setUpQueue();
    reports.report(buildReport('a'));
    reports.report(buildReport('b'));
    expect(sent.map(({ run }) => run)).toEqual(['a']);
    sent[0]?.done();
    await time.settle();
    expect(sent.map(({ run }) => run)).toEqual(['a', 'b']);
    sent[1]?.done();
    await time.settle();
    expect(outcomes).toEqual(['a reported', 'b reported']);
    reports.report(buildReport('c'));
    expect(sent).toHaveLength(3);
  });

  test('retries while the authority is unreachable, until the run would have expired', async () => {
    const { reports, sent, outcomes, time } = setUpQueue();
    reports.report(buildReport('a', 3_000));
    for (let n = 0; n < 10; n += 1) {
      sent.at(-1)?.fail(unreachable);
      await time.advance(1_000);
    }
    expect(sent.length).toBeGreaterThan(2);
    expect(outcomes).toEqual(['a given_up']);
  });

  test('does not retry a report that the authority refuses', async () => {
    const { reports, sent, outcomes, time } = setUpQueue();
    reports.report(buildReport('a'));
    sent[0]?.fail(new ExchangeError('refused', 'run_not_owned', 'no'));
    await time.settle();
    expect(sent).toHaveLength(1);
    expect(outcomes).toEqual(['a refused']);
  });

  test('gives up the oldest reports when the queue is full', () => {
    const { reports, outcomes } = setUpQueue();
    for (let n = 0; n < 260; n += 1) reports.report(buildReport(`r${n}`));
    expect(outcomes).toEqual(['r1 given_up', 'r2 given_up', 'r3 given_up']);
  });

  test('sends several reports concurrently while draining', async () => {
    const { reports, sent, outcomes, time } = setUpQueue();
    for (let n = 0; n < 10; n += 1) reports.report(buildReport(`r${n}`));
    let isDrained = false;
    void reports.drain(1_000).then(() => (isDrained = true));
    expect(sent).toHaveLength(8);
    for (const one of [...sent]) one.done();
    await time.settle();
    expect(sent).toHaveLength(10);
    for (const one of sent) one.done();
    await time.settle();
    expect(outcomes).toHaveLength(10);
    expect(isDrained).toBe(true);
  });

  test('retries a waiting report once while draining, within the given time', async () => {
    const { reports, sent, time } = setUpQueue();
    reports.report(buildReport('a'));
    sent[0]?.fail(unreachable);
    await time.settle();
    let isDrained = false;
    void reports.drain(1_000).then(() => (isDrained = true));
    await time.settle();
    expect(sent).toHaveLength(2);
    await time.advance(999);
    expect(isDrained).toBe(false);
    await time.advance(1);
    expect(isDrained).toBe(true);
  });
});
