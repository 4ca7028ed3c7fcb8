import { describe, expect, test } from '@jest/globals';

import { createEndReportQueue, type EndReport } from './end-reports.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';

type Sent = { readonly run: string; readonly done: () => void; readonly fail: (e: Error) => void };

const setUpQueue = () => {
  const time = createFakeTime();
  const sent: Sent[] = [];
  const told: string[] = [];
  const reports = createEndReportQueue({
    ...time,
    random: () => 1,
    send: ({ run }) =>
      new Promise((resolve, reject) => sent.push({ run, done: resolve, fail: reject })),
    onOutcome: ({ run }, outcome) => told.push(`${run} ${outcome}`),
  });
  return { time, sent, told, reports };
};

const buildReport = (run: string, until = 600_000): EndReport => ({ run, end: 'completed', until });
const unreachable = new ExchangeError('unavailable', 'authority_unreachable', 'away');

describe('the ends of runs', () => {
  test('are told one after another', async () => {
    const { reports, sent, told, time } = setUpQueue();
    reports.report(buildReport('a'));
    reports.report(buildReport('b'));
    expect(sent.map(({ run }) => run)).toEqual(['a']);
    sent[0]?.done();
    await time.settle();
    expect(sent.map(({ run }) => run)).toEqual(['a', 'b']);
    sent[1]?.done();
    await time.settle();
    expect(told).toEqual(['a reported', 'b reported']);
    reports.report(buildReport('c'));
    expect(sent).toHaveLength(3);
  });

  test('are told again while the authority is away, until the run would be over', async () => {
    const { reports, sent, told, time } = setUpQueue();
    reports.report(buildReport('a', 3_000));
    for (let n = 0; n < 10; n += 1) {
      sent.at(-1)?.fail(unreachable);
      await time.advance(1_000);
    }
    expect(sent.length).toBeGreaterThan(2);
    expect(told).toEqual(['a given_up']);
  });

  test('are told once when the authority does not want to hear of them', async () => {
    const { reports, sent, told, time } = setUpQueue();
    reports.report(buildReport('a'));
    sent[0]?.fail(new ExchangeError('refused', 'run_not_owned', 'no'));
    await time.settle();
    expect(sent).toHaveLength(1);
    expect(told).toEqual(['a refused']);
  });

  test('are given up, the oldest first, when too many wait', () => {
    const { reports, told } = setUpQueue();
    for (let n = 0; n < 260; n += 1) reports.report(buildReport(`r${n}`));
    expect(told).toEqual(['r1 given_up', 'r2 given_up', 'r3 given_up']);
  });

  test('are told several at once when the pod ends', async () => {
    const { reports, sent, told, time } = setUpQueue();
    for (let n = 0; n < 10; n += 1) reports.report(buildReport(`r${n}`));
    let isDrained = false;
    void reports.drain(1_000).then(() => (isDrained = true));
    expect(sent).toHaveLength(8);
    for (const one of [...sent]) one.done();
    await time.settle();
    expect(sent).toHaveLength(10);
    for (const one of sent) one.done();
    await time.settle();
    expect(told).toHaveLength(10);
    expect(isDrained).toBe(true);
  });

  test('that wait for an authority are tried once more at the end, and no longer than there is', async () => {
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
