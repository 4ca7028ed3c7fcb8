import { describe, expect, test } from '@jest/globals';

import type { Answer } from './answer.ts';
import { heldExchange, promptExchange, revocation, task } from './fixtures/exchange.ts';
import { fakeTime } from './fixtures/time.ts';
import { authoritySilent } from './refusal.ts';
import { openRunBook } from './run-book.ts';

const opened = (kind: 'prompt' | 'held' = 'prompt', knownAt?: (now: () => number) => number) => {
  const time = fakeTime();
  const prompt = promptExchange(time.clock);
  const held = heldExchange(time.clock);
  const events: string[] = [];
  const book = openRunBook({
    ...time,
    exchange: kind === 'prompt' ? prompt.exchange : held.exchange,
    observer: {
      started: ({ run }) => events.push(`${run} started`),
      ended: ({ run }, reason) => events.push(`${run} ${reason}`),
    },
    knownAt: knownAt && (() => knownAt(time.clock.monotonic)),
  });
  const request = (name: string) => ({ consumer: 'agent', task: task({ name }), params: {} });
  return { time, book, events, calls: held.calls, request };
};

const codeOf = (answer: Answer): string => (answer.kind === 'run' ? answer.run : answer.code);

describe('a revocation', () => {
  test.each([
    ['of a run ends that one', { run: 'run-1' }, ['run-1 revoked']],
    ['of a task ends its runs', { task: 'b' }, ['run-2 revoked', 'run-3 revoked']],
    ['of the pod ends every run', {}, ['run-1 revoked', 'run-2 revoked', 'run-3 revoked']],
    ['of another run ends none', { run: 'run-9' }, []],
  ])('%s', async (_, named, ended) => {
    const { book, events, request, time } = opened();
    for (const name of ['a', 'b', 'b']) {
      const answer = book.start(request(name));
      await time.settle();
      await answer;
    }
    book.revoke([revocation(named)]);
    expect(events.slice(3)).toEqual(ended);
  });

  test('tells who asks for the run why, until the run would have ended', async () => {
    const { book, request, time } = opened();
    await book.start(request('a'));
    book.revoke([revocation({ run: 'run-1' })]);
    expect(book.whyRevoked('agent', 'run-1')).toMatchObject({
      code: 'run_revoked',
      nature: 'refused',
      message: expect.stringContaining('it misbehaves'),
    });
    expect(book.whyRevoked('helper', 'run-1')).toBeUndefined();
    await time.advance(600_000);
    expect(book.whyRevoked('agent', 'run-1')).toBeUndefined();
    expect(time.timers()).toBe(0);
  });

  test.each([{ run: 'run-1' }, { task: 'a' }, {}])(
    'that arrives while the run is on its way (%j) keeps it from beginning',
    async (named) => {
      const { book, calls, events, request, time } = opened('held');
      const answer = book.start(request('a'));
      await time.settle();
      book.revoke([revocation(named)]);
      calls[0]?.issue();
      expect(codeOf(await answer)).toBe('run_revoked');
      expect(events).toEqual([]);
      expect(book.live()).toEqual([]);
    },
  );

  test('of a run that is still to be issued keeps every later answer from it too', async () => {
    const { book, calls, request, time } = opened('held');
    book.revoke([revocation({ task: 'a' })]);
    const source = book.source('agent', task({ name: 'a' }));
    const answer = source();
    await time.settle();
    calls[0]?.issue();
    expect(codeOf(await answer)).toBe('run_revoked');
    book.revoke([]);
    await time.advance(5_000);
    const again = book.start(request('a'));
    await time.settle();
    calls[1]?.issue();
    expect(codeOf(await again)).toBe('run-2');
  });

  test('does not come back: what has ended is not served when it is lifted', async () => {
    const { book, request } = opened();
    await book.start(request('a'));
    book.revoke([revocation()]);
    book.revoke([]);
    expect(book.find('agent', 'run-1')).toBeUndefined();
  });

  test('for our own reason ends every run and says so', async () => {
    const { book, events, request } = opened();
    await book.start(request('a'));
    book.revokeAll(authoritySilent(60_000));
    expect(events.at(-1)).toBe('run-1 revoked');
    expect(book.whyRevoked('agent', 'run-1')).toMatchObject({ code: 'authority_silent' });
    expect(book.whyRevoked('agent', 'run-1')?.message).toContain('60 s');
  });

  test('remembers no more than it has to', async () => {
    const { book, request, time } = opened();
    for (let n = 0; n < 300; n += 1) {
      // One consumer alone would not be let start so many.
      await book.start({ ...request('a'), consumer: `agent-${n + 1}` });
      book.revoke([revocation({ run: `run-${n + 1}` })]);
    }
    await time.settle();
    expect(book.whyRevoked('agent-1', 'run-1')).toBeUndefined();
    expect(book.whyRevoked('agent-300', 'run-300')).toBeDefined();
  });
});

describe('who is cut off', () => {
  const cutOff = () => -Infinity;

  test('serves what was handed out to its deadline', async () => {
    const { book, time } = opened('prompt', cutOff);
    const source = book.source('agent', task());
    const first = await source();
    if (first.kind !== 'run') throw new Error('expected a run');
    expect(book.handOut(first)).toBe(true);
    await time.advance(400_000);
    expect(source()).toBe(first);
    expect(book.handOut(first)).toBe(true);
  });

  test('asks again before it serves what nobody has yet', async () => {
    const { book, events, request, time, calls } = opened('held', cutOff);
    const late = book.start(request('a'));
    await time.advance(900);
    expect(codeOf(await late)).toBe('exchange_in_progress');
    calls[0]?.issue();
    await time.advance(15_000);
    const again = book.start(request('a'));
    await time.settle();
    expect(calls).toHaveLength(2);
    expect(events).toContain('run-1 superseded');
    calls[1]?.issue();
    expect(codeOf(await again)).toBe('run-2');
  });

  test('serves what it has just asked for: the exchange is the asking', async () => {
    const { book, request, time, calls } = opened('held', cutOff);
    void book.start(request('a'));
    await time.advance(900);
    calls[0]?.issue();
    await time.advance(10_000);
    expect(codeOf(await book.start(request('a')))).toBe('run-1');
  });

  test('serves what the stream has spoken of since', async () => {
    const { book, request, time, calls } = opened('held', (now) => now() - 5_000);
    void book.start(request('a'));
    await time.advance(900);
    calls[0]?.issue();
    await time.advance(60_000);
    expect(codeOf(await book.start(request('a')))).toBe('run-1');
  });

  test('does not lose the run before to a renewal that it may not serve', async () => {
    const { book, time, calls } = opened('held', cutOff);
    const source = book.source('agent', task());
    const first = source();
    await time.settle();
    calls[0]?.issue();
    const run = await first;
    if (run.kind !== 'run') throw new Error('expected a run');
    book.handOut(run);
    await time.advance(480_000);
    void source();
    await time.settle();
    calls[1]?.issue();
    await time.advance(20_000);
    expect(codeOf(await source())).toBe('run-1');
    expect(calls).toHaveLength(3);
  });
});
