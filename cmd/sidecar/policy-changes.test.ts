import { describe, expect, it } from '@jest/globals';
import type { Gate } from '../../lib/contract/authority-api.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';
import type { ActiveRun } from '../../lib/runs/active-runs.ts';
import { watchPolicyChanges } from './policy-changes.ts';

const SIDECARS = 1_000;
const GATES: readonly Gate[] = [{ gate: 'ask', actions: ['*'], policies: ['all/edited'] }];

/** Runs what is scheduled in order, without waiting. */
const createVirtualTime = () => {
  let now = 0;
  let planned: { readonly at: number; readonly action: () => void }[] = [];
  return {
    now: () => now,
    schedule: (delayMs: number, action: () => void) => {
      const entry = { at: now + delayMs, action };
      planned.push(entry);
      return () => void (planned = planned.filter((each) => each !== entry));
    },
    advanceTo: async (end: number): Promise<void> => {
      for (;;) {
        const [next] = planned.toSorted((one, other) => one.at - other.at);
        if (next === undefined || next.at > end) break;
        planned = planned.filter((each) => each !== next);
        now = next.at;
        next.action();
        // What an answer of the authority causes.
        await new Promise((resolve) => setImmediate(resolve));
      }
      now = end;
    },
  };
};

/** Deterministic, and spread evenly: the n-th multiple of the golden ratio, modulo 1. */
const createRandom = () => {
  let value = 0;
  return () => (value = (value + 0.618_033_988_749_895) % 1);
};

/** Sidecars with a run each, which see the same edit of a policy at the same time. */
const editPolicy = (answer: (at: number) => void) => {
  const time = createVirtualTime();
  const random = createRandom();
  const asked: number[] = [];
  const ended = new Set<string>();
  const runs = Array.from({ length: SIDECARS }, (_, index) => {
    const run = {
      run: `run-${index}`,
      oversight: { ticket: 'vk1.claims.hmac', gates: [], policyVersion: 'old' },
    } as unknown as ActiveRun;
    const ignore = (): void => undefined;
    const { onPolicies } = watchPolicyChanges(
      {
        redecide: () => {
          asked.push(time.now());
          return Promise.try(answer, time.now()).then(() => ({
            gates: GATES,
            policy_version: 'new',
          }));
        },
        log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
        schedule: time.schedule,
        random,
      },
      {
        listActive: () => [run].filter((each) => !ended.has(each.run)),
        revokeRun: ({ run: name }) => void ended.add(name),
      },
    );
    onPolicies('new');
    return run;
  });
  const countDecided = (): number =>
    runs.filter(({ oversight }) => oversight?.policyVersion === 'new').length;
  return { time, asked, ended, countDecided };
};

const countPeakPerSecond = (times: readonly number[]): number =>
  Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length));

describe('an edit of a policy that 1,000 sidecars see at once', () => {
  it('reaches the gates of all of them within 30 s, a few each second', async () => {
    const { time, asked, ended, countDecided } = editPolicy(() => undefined);
    await time.advanceTo(30_000);
    expect([countDecided(), asked.length, ended.size]).toEqual([SIDECARS, SIDECARS, 0]);
    // An even spread over 30 s is 33 in a second.
    expect(countPeakPerSecond(asked)).toBeLessThanOrEqual(50);
  });

  it('reaches all of them within 60 s if the authority cannot answer for half a minute', async () => {
    const { time, ended, countDecided } = editPolicy((at) => {
      if (at < 30_000) throw new ExchangeError('unavailable', 'authority_unreachable', '');
    });
    await time.advanceTo(30_000);
    expect(countDecided()).toBe(0);
    await time.advanceTo(60_000);
    expect([countDecided(), ended.size]).toEqual([SIDECARS, 0]);
  });

  it('ends each run that the new policies deny, and asks about it once', async () => {
    const { time, asked, ended, countDecided } = editPolicy(() => {
      throw new ExchangeError('refused', 'policy_denied', 'denied');
    });
    await time.advanceTo(30_000);
    expect([asked.length, countDecided(), ended.size]).toEqual([SIDECARS, 0, SIDECARS]);
  });
});
