import { describe, expect, it } from '@jest/globals';

import { ExchangeError } from '../contract/exchange.ts';
import type { DecideCall } from './gates.ts';
import { createHeldDecisions } from './held-decisions.ts';

const pending = (holdMs?: number) =>
  new ExchangeError('refused', 'approval_pending', 'ask', holdMs === undefined ? {} : { holdMs });

/** A decider that answers so in turn, and a clock that each pause moves. */
const create = (answers: readonly (ExchangeError | undefined)[]) => {
  let at = 0;
  let asked = 0;
  const paused: (() => void)[] = [];
  const decide = createHeldDecisions(
    () => {
      const answer = answers[Math.min(asked, answers.length - 1)];
      asked += 1;
      return answer === undefined ? Promise.resolve() : Promise.reject(answer);
    },
    {
      now: () => at,
      schedule: (ms, action) => {
        paused.push(() => {
          at += ms;
          action();
        });
        return () => undefined;
      },
    },
  );
  const tick = async (): Promise<void> => {
    for (let count = 0; count < 10; count += 1) await Promise.resolve();
    for (const each of paused.splice(0)) each();
    for (let count = 0; count < 10; count += 1) await Promise.resolve();
  };
  return { decide, tick, countAsked: () => asked, countPaused: () => paused.length };
};

const call = { operation: 's3:PutObject', permissions: [{ action: 's3:PutObject' }] };
const build = (signal = new AbortController().signal): Parameters<DecideCall>[0] => ({
  ...{ ticket: 't', call, attempt: 'one', signal },
});
const settle = (promise: Promise<void>) =>
  promise.then(
    () => 'allowed',
    (error: unknown) => (error as ExchangeError).code,
  );

describe('createHeldDecisions', () => {
  it('lets a call wait until people have approved it', async () => {
    const { decide, tick } = create([pending(20_000), pending(20_000), undefined]);
    const going = settle(decide(build()));
    await tick();
    await tick();
    expect(await going).toBe('allowed');
  });

  it('refuses it when its time is over, or at once without any', async () => {
    const { decide, tick, countAsked } = create([pending(4_000)]);
    const going = settle(decide(build()));
    await tick();
    await tick();
    expect([await going, countAsked()]).toEqual(['approval_pending', 3]);
    const refusing = create([pending()]);
    expect(await settle(refusing.decide(build()))).toBe('approval_pending');
    expect(refusing.countAsked()).toBe(1);
  });

  it('ends the wait with the answer of a denial', async () => {
    const denied = new ExchangeError('refused', 'approval_denied', 'no');
    const { decide, tick } = create([pending(20_000), denied]);
    const going = settle(decide(build()));
    await tick();
    expect(await going).toBe('approval_denied');
  });

  it('does not ask again for a client that has gone', async () => {
    const client = new AbortController();
    const { decide, tick, countAsked } = create([pending(20_000), undefined]);
    const going = settle(decide(build(client.signal)));
    for (let count = 0; count < 10; count += 1) await Promise.resolve();
    client.abort();
    await tick();
    expect([await going, countAsked()]).toEqual(['approval_pending', 1]);
  });

  it('lets at most eight calls wait', async () => {
    const { decide, tick, countPaused } = create([pending(20_000)]);
    const going = Array.from({ length: 9 }, () => settle(decide(build())));
    for (let count = 0; count < 10; count += 1) await Promise.resolve();
    expect(countPaused()).toBe(8);
    expect(await going[8]).toBe('approval_pending');
    for (let count = 0; count < 12; count += 1) await tick();
    await Promise.all(going);
  });
});
