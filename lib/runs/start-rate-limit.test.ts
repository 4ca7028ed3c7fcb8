import { describe, expect, test } from '@jest/globals';

import type { RunResult } from './response-timeout.ts';
import type { RunRequest } from '../contract/exchange.ts';
import { createImmediateExchange, buildTask } from './fixtures/fake-exchange.ts';
import { createCredentialsClient, type ClientResult } from './fixtures/credentials-client.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { createRunRegistry } from './run-registry.ts';

const noopObserver = { started: () => undefined, ended: () => undefined };

const setUpRegistry = () => {
  const time = createFakeTime();
  const { exchange, calls } = createImmediateExchange(time.clock);
  return {
    time,
    calls,
    registry: createRunRegistry({ exchange, ...time, observer: noopObserver }),
  };
};

const buildRequest = (consumer = 'agent'): RunRequest => ({
  consumer,
  task: buildTask(),
  params: {},
});

const getCode = (result: RunResult | ClientResult): string =>
  'kind' in result && result.kind === 'refusal' ? result.code : 'run';

describe('a consumer that starts and completes runs in a loop', () => {
  const loop = async ({ registry }: ReturnType<typeof setUpRegistry>, times: number) => {
    const codes: string[] = [];
    for (let n = 0; n < times; n += 1) {
      const answer = await registry.startExplicitRun(buildRequest());
      codes.push(getCode(answer));
      if (answer.kind === 'run') registry.complete('agent', answer.run);
    }
    return codes;
  };

  test('can start 24 runs at once, then one every 2 s, and gets the retry time', async () => {
    const all = setUpRegistry();
    const codes = await loop(all, 40);
    expect(codes).toEqual([
      ...Array<string>(24).fill('run'),
      ...Array<string>(16).fill('start_rate_exceeded'),
    ]);
    expect(all.calls).toHaveLength(24);
    expect(await all.registry.startExplicitRun(buildRequest())).toMatchObject({
      retryAfterMs: 2_000,
    });
    await all.time.advance(10_000);
    expect((await loop(all, 10)).filter((code) => code === 'run')).toHaveLength(5);
  });

  test('does not affect another consumer', async () => {
    const all = setUpRegistry();
    await loop(all, 40);
    expect(getCode(await all.registry.startExplicitRun(buildRequest('helper')))).toBe('run');
  });

  test("shares the limit with requests for a task's credentials, whose renewals are free", async () => {
    const all = setUpRegistry();
    const source = createCredentialsClient(
      { registry: all.registry, schedule: all.time.schedule },
      { task: buildTask() },
    );
    expect(getCode(await source())).toBe('run');
    expect(await loop(all, 40)).toContain('start_rate_exceeded');
    await all.time.advance(460_000);
    await source();
    await all.time.settle();
    expect(all.calls).toHaveLength(25);
    all.registry.complete('agent', 'run-25');
    all.registry.complete('agent', 'run-1');
    await loop(all, 300);
    expect(getCode(await source())).toBe('start_rate_exceeded');
  });
});
