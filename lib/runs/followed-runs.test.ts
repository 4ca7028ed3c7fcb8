import { describe, expect, it } from '@jest/globals';

import type { ExchangeError } from '../contract/exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { createFollowedRuns } from './followed-runs.ts';

const setUp = () => {
  const time = createFakeTime();
  let reopened = 0;
  const followed = createFollowedRuns({ ...time, reopen: () => (reopened += 1) });
  const { signal } = new AbortController();
  const done: string[] = [];
  const follow = (run: string, ancestors: readonly string[]): void => {
    followed.follow(run, ancestors, signal).then(
      () => done.push(run),
      (error: unknown) => done.push(`${run} ${(error as ExchangeError).code}`),
    );
  };
  return { time, followed, follow, done, count: () => reopened };
};

describe('createFollowedRuns', () => {
  it('returns a run when a connection follows all runs above it, and not before', async () => {
    const { time, followed, follow, done, count } = setUp();
    follow('child', ['root', 'parent']);
    await time.advance(0);
    expect([count(), followed.list(), done]).toEqual([1, ['root', 'parent'], []]);
    followed.confirm(['root']);
    await time.advance(0);
    expect(done).toEqual([]);
    followed.confirm(['root', 'parent']);
    await time.advance(0);
    expect(done).toEqual(['child']);
  });

  it('opens no connection for runs that are followed, and one a second for others', async () => {
    const { time, followed, follow, done, count } = setUp();
    follow('a', ['root']);
    await time.advance(0);
    followed.confirm(['root']);
    follow('b', ['root']);
    follow('c', ['other']);
    follow('d', ['third']);
    await time.advance(999);
    expect([count(), done.toSorted()]).toEqual([1, ['a', 'b']]);
    await time.advance(1);
    expect([count(), followed.list()]).toEqual([2, ['root', 'other', 'third']]);
  });

  it('gives up after ten seconds without such a connection', async () => {
    const { time, follow, done } = setUp();
    follow('child', ['root']);
    await time.advance(10_000);
    expect(done).toEqual(['child authority_unreachable']);
  });

  it('follows at most 48 runs, and forgets those of ended runs', async () => {
    const { time, followed, follow, done } = setUp();
    for (let run = 0; run < 48; run += 1) follow(`${run}`, [`parent-${run}`]);
    follow('more', ['another']);
    await time.advance(0);
    expect(done).toEqual(['more too_many_runs']);
    followed.forget('7');
    expect(followed.list()).toHaveLength(47);
    expect(followed.list()).not.toContain('parent-7');
  });
});
