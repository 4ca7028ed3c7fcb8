import { describe, expect, test } from '@jest/globals';

import type { RunResult } from './response-timeout.ts';
import {
  createDeferredExchange,
  createImmediateExchange,
  buildRevocation,
  buildTask,
} from './fixtures/fake-exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { buildAuthorityDisconnectedRefusal } from './run-refusal.ts';
import { createRunRegistry } from './run-registry.ts';

const setUpRegistry = (
  kind: 'prompt' | 'held' = 'prompt',
  knownAt?: (now: () => number) => number,
) => {
  const time = createFakeTime();
  const prompt = createImmediateExchange(time.clock);
  const held = createDeferredExchange(time.clock);
  const events: string[] = [];
  const book = createRunRegistry({
    ...time,
    exchange: kind === 'prompt' ? prompt.exchange : held.exchange,
    observer: {
      started: ({ run }) => events.push(`${run} started`),
      ended: ({ run }, reason) => events.push(`${run} ${reason}`),
    },
    revocationsCurrentUntil: knownAt && (() => knownAt(time.clock.monotonic)),
  });
  const request = (name: string) => ({ consumer: 'agent', task: buildTask({ name }), params: {} });
  return { time, book, events, calls: held.calls, request };
};

const getCode = (answer: RunResult): string => (answer.kind === 'run' ? answer.run : answer.code);

describe('a revocation', () => {
  test.each([
    ['of a run ends that one', { run: 'run-1' }, ['run-1 revoked']],
    ['of a task ends its runs', { task: 'b' }, ['run-2 revoked', 'run-3 revoked']],
    ['of the pod ends every run', {}, ['run-1 revoked', 'run-2 revoked', 'run-3 revoked']],
    ['of another run ends none', { run: 'run-9' }, []],
  ])('%s', async (_, named, ended) => {
    const { book, events, request, time } = setUpRegistry();
    for (const name of ['a', 'b', 'b']) {
      const answer = book.start(request(name));
      await time.settle();
      await answer;
    }
    book.revoke([buildRevocation(named)]);
    expect(events.slice(3)).toEqual(ended);
  });

  test('tells who asks for the run why, until the run would have ended', async () => {
    const { book, request, time } = setUpRegistry();
    await book.start(request('a'));
    book.revoke([buildRevocation({ run: 'run-1' })]);
    expect(book.findRevocationRefusal('agent', 'run-1')).toMatchObject({
      code: 'run_revoked',
      nature: 'refused',
      message: expect.stringContaining('it misbehaves'),
    });
    expect(book.findRevocationRefusal('helper', 'run-1')).toBeUndefined();
    await time.advance(600_000);
    expect(book.findRevocationRefusal('agent', 'run-1')).toBeUndefined();
    expect(time.timers()).toBe(0);
  });

  test.each([{ run: 'run-1' }, { task: 'a' }, {}])(
    'that arrives while the run is on its way (%j) keeps it from beginning',
    async (named) => {
      const { book, calls, events, request, time } = setUpRegistry('held');
      const answer = book.start(request('a'));
      await time.settle();
      book.revoke([buildRevocation(named)]);
      calls[0]?.issue();
      expect(getCode(await answer)).toBe('run_revoked');
      expect(events).toEqual([]);
      expect(book.listActive()).toEqual([]);
    },
  );

  test('of a run that is still to be issued keeps every later answer from it too', async () => {
    const { book, calls, request, time } = setUpRegistry('held');
    book.revoke([buildRevocation({ task: 'a' })]);
    const source = book.createSource('agent', buildTask({ name: 'a' }));
    const answer = source();
    await time.settle();
    calls[0]?.issue();
    expect(getCode(await answer)).toBe('run_revoked');
    book.revoke([]);
    await time.advance(5_000);
    const again = book.start(request('a'));
    await time.settle();
    calls[1]?.issue();
    expect(getCode(await again)).toBe('run-2');
  });

  test('does not come back: what has ended is not served when it is lifted', async () => {
    const { book, request } = setUpRegistry();
    await book.start(request('a'));
    book.revoke([buildRevocation()]);
    book.revoke([]);
    expect(book.find('agent', 'run-1')).toBeUndefined();
  });

  test('for our own reason ends every run and says so', async () => {
    const { book, events, request } = setUpRegistry();
    await book.start(request('a'));
    book.revokeAll(buildAuthorityDisconnectedRefusal(60_000));
    expect(events.at(-1)).toBe('run-1 revoked');
    expect(book.findRevocationRefusal('agent', 'run-1')).toMatchObject({
      code: 'authority_disconnected',
    });
    expect(book.findRevocationRefusal('agent', 'run-1')?.message).toContain('60 s');
  });

  test('remembers no more than it has to', async () => {
    const { book, request, time } = setUpRegistry();
    for (let n = 0; n < 300; n += 1) {
      // One consumer alone would not be let start so many.
      await book.start({ ...request('a'), consumer: `agent-${n + 1}` });
      book.revoke([buildRevocation({ run: `run-${n + 1}` })]);
    }
    await time.settle();
    expect(book.findRevocationRefusal('agent-1', 'run-1')).toBeUndefined();
    expect(book.findRevocationRefusal('agent-300', 'run-300')).toBeDefined();
  });
});

describe('who is cut off', () => {
  const cutOff = () => -Infinity;

  test('serves what was handed out to its deadline', async () => {
    const { book, time } = setUpRegistry('prompt', cutOff);
    const source = book.createSource('agent', buildTask());
    const first = await source();
    if (first.kind !== 'run') throw new Error('expected a run');
    expect(book.markServed(first)).toBe(true);
    await time.advance(400_000);
    expect(source()).toBe(first);
    expect(book.markServed(first)).toBe(true);
  });

  test('asks again before it serves what nobody has yet', async () => {
    const { book, events, request, time, calls } = setUpRegistry('held', cutOff);
    const late = book.start(request('a'));
    await time.advance(900);
    expect(getCode(await late)).toBe('exchange_in_progress');
    calls[0]?.issue();
    await time.advance(15_000);
    const again = book.start(request('a'));
    await time.settle();
    expect(calls).toHaveLength(2);
    expect(events).toContain('run-1 superseded');
    calls[1]?.issue();
    expect(getCode(await again)).toBe('run-2');
  });

  test('serves what it has just asked for: the exchange is the asking', async () => {
    const { book, request, time, calls } = setUpRegistry('held', cutOff);
    void book.start(request('a'));
    await time.advance(900);
    calls[0]?.issue();
    await time.advance(10_000);
    expect(getCode(await book.start(request('a')))).toBe('run-1');
  });

  test('serves what the stream has spoken of since', async () => {
    const { book, request, time, calls } = setUpRegistry('held', (now) => now() - 5_000);
    void book.start(request('a'));
    await time.advance(900);
    calls[0]?.issue();
    await time.advance(60_000);
    expect(getCode(await book.start(request('a')))).toBe('run-1');
  });

  test('does not lose the run before to a renewal that it may not serve', async () => {
    const { book, time, calls } = setUpRegistry('held', cutOff);
    const source = book.createSource('agent', buildTask());
    const first = source();
    await time.settle();
    calls[0]?.issue();
    const run = await first;
    if (run.kind !== 'run') throw new Error('expected a run');
    book.markServed(run);
    await time.advance(480_000);
    void source();
    await time.settle();
    calls[1]?.issue();
    await time.advance(20_000);
    expect(getCode(await source())).toBe('run-1');
    expect(calls).toHaveLength(3);
  });
});
