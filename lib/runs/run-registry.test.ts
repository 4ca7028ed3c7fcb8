import { describe, expect, test } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { ExchangeError, type Exchange } from '../contract/exchange.ts';
import {
  createDeferredExchange,
  createImmediateExchange,
  buildRevocation,
  buildTask,
} from './fixtures/fake-exchange.ts';
import { createCredentialsClient, type ClientResult } from './fixtures/credentials-client.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import type { Task } from '../contract/task.ts';
import { chooseResponseTimeoutMs, RESPONSE_TIMEOUT_MS } from './response-timeout.ts';
import type { RunResult } from './response-timeout.ts';
import { createRunRegistry, type RunRegistry } from './run-registry.ts';

type Time = ReturnType<typeof createFakeTime>;

const createRegistry = (exchange: Exchange, time: Time) => {
  const events: string[] = [];
  const registry = createRunRegistry({
    exchange,
    ...time,
    observer: {
      started: ({ run }) => events.push(`${run} started`),
      ended: ({ run }, reason) => events.push(`${run} ${reason}`),
      discarded: ({ run }) => events.push(`${run} discarded`),
    },
  });
  const createClient = (consumer: string, task: Task, timeoutMs?: number) =>
    createCredentialsClient(
      { registry, schedule: time.schedule },
      { consumer, task, ...(timeoutMs !== undefined && { timeoutMs }) },
    );
  return { registry: { ...registry, createClient }, events };
};

const setUpDeferred = () => {
  const time = createFakeTime();
  const { exchange, calls } = createDeferredExchange(time.clock);
  return { time, calls, ...createRegistry(exchange, time) };
};

/** A task with one run; the test resolves further exchanges. */
const setUpDeferredWithRun = async () => {
  const setUp = setUpDeferred();
  const source = setUp.registry.createClient('agent', buildTask());
  const first = source();
  await setUp.time.settle();
  setUp.calls[0]?.issue();
  await first;
  return { ...setUp, source };
};

const setUpImmediate = () => {
  const time = createFakeTime();
  const { exchange, calls } = createImmediateExchange(time.clock);
  return { time, calls, ...createRegistry(exchange, time) };
};

/** The access key ID that a consumer would read, or the code of the refusal. */
const formatResult = (result: RunResult | ClientResult): string => {
  if ('kind' in result && result.kind === 'refusal') return result.code;
  const text = ('kind' in result ? result.credentials : result).toString();
  return text.startsWith('{')
    ? (JSON.parse(text) as { AccessKeyId: string }).AccessKeyId
    : 'only zeros';
};

/** Ends `run-1` in the named way. */
const ENDINGS = {
  completed: (registry: RunRegistry) => registry.complete('agent', 'run-1'),
  superseded: (registry: RunRegistry) =>
    registry.startExplicitRun({
      consumer: 'agent',
      task: buildTask({ name: 'x', exclusive: true }),
      params: {},
    }),
  revoked: (registry: RunRegistry) => registry.revoke([buildRevocation({ run: 'run-1' })]),
  terminated: (registry: RunRegistry) => registry.close(),
};

const unavailable = new ExchangeError('unavailable', 'sts_unreachable', 'no way');
const refused = new ExchangeError('refused', 'AccessDenied', 'no');

describe('credentials of a task without params', () => {
  test('starts one exchange for any number of concurrent callers, who get the same credentials', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (callers) => {
        const { registry, calls, time } = setUpDeferred();
        const source = registry.createClient('agent', buildTask());
        const answers = Array.from({ length: callers }, async () => formatResult(await source()));
        await time.settle();
        calls[0]?.issue();
        expect(new Set(await Promise.all(answers))).toEqual(new Set(['ASIA1']));
        expect(calls).toHaveLength(1);
      }),
      { numRuns: 10 },
    );
  });

  test('serves a fresh run synchronously, without an exchange', async () => {
    const { registry, calls, time } = setUpImmediate();
    const source = registry.createClient('agent', buildTask());
    const first = await source();
    await time.advance(400_000);
    expect(source()).toBe(first);
    expect(calls).toHaveLength(1);
  });

  test('serves a stale run, renews it in the background, and does not end it by the renewal', async () => {
    const { registry, calls, time, events, source } = await setUpDeferredWithRun();
    await time.advance(500_000);
    expect(formatResult(await source())).toBe('ASIA1');
    expect(formatResult(await source())).toBe('ASIA1');
    expect(calls).toHaveLength(2);
    calls[1]?.issue();
    await time.settle();
    expect(formatResult(await source())).toBe('ASIA2');
    expect(registry.getRun('agent', 'run-1')).toBeDefined();
    await time.advance(90_000);
    expect(events).toEqual(['run-1 started', 'run-2 started', 'run-1 expired']);
  });

  test('does not renew a run ahead of time that people approved, and starts one after its end', async () => {
    const { registry, time, calls } = setUpDeferred();
    const source = registry.createClient('agent', buildTask());
    const first = source();
    await time.settle();
    calls[0]?.issue({ isApproved: true });
    await first;
    await time.advance(500_000);
    expect(formatResult(await source())).toBe('ASIA1');
    expect(calls).toHaveLength(1);
    await time.advance(101_000);
    void source();
    await time.settle();
    expect(calls).toHaveLength(2);
  });

  test('does not renew a run without a request', async () => {
    const { registry, calls, time } = setUpImmediate();
    await registry.createClient('agent', buildTask())();
    await time.advance(3_600_000);
    expect(calls).toHaveLength(1);
  });

  test('makes all callers of an expired run wait for the same new run', async () => {
    const { registry, calls, time } = setUpImmediate();
    const source = registry.createClient('agent', buildTask());
    await source();
    await time.advance(600_000);
    const answers = await Promise.all([source(), source(), source()]);
    expect(answers.map(formatResult)).toEqual(['ASIA2', 'ASIA2', 'ASIA2']);
    expect(calls).toHaveLength(2);
  });

  test('serves a run until its advertised Expiration and not later', async () => {
    const { registry, time } = setUpImmediate();
    const source = registry.createClient('agent', buildTask({ lifetimeSeconds: 2 }));
    const first = await source();
    await time.advance(1_799);
    expect(await source()).toBe(first);
    await time.advance(1);
    expect(formatResult(await source())).not.toBe('ASIA1');
  });

  test('does not prolong a run when the wall clock is set back', async () => {
    const { registry, time } = setUpImmediate();
    const source = registry.createClient('agent', buildTask());
    await source();
    time.shiftWallClock(-3_600_000);
    await time.advance(590_000);
    expect(formatResult(await source())).toBe('ASIA2');
  });

  test('does not delay the renewal when the wall clock is set back', async () => {
    const { registry, calls, time } = setUpImmediate();
    const source = registry.createClient('agent', buildTask());
    await source();
    time.shiftWallClock(-3_600_000);
    await time.advance(500_000);
    void source();
    expect(calls).toHaveLength(2);
  });

  test('starts a new run when the wall clock is set past the Expiration, because SDKs reject expired credentials', async () => {
    const { registry, time } = setUpImmediate();
    const source = registry.createClient('agent', buildTask());
    await source();
    time.shiftWallClock(3_600_000);
    expect(formatResult(await source())).toBe('ASIA2');
  });

  test.each([
    ['900 ms', 'the SDK for Java', RESPONSE_TIMEOUT_MS.java, 899],
    ['1.8 s', 'any other client', RESPONSE_TIMEOUT_MS.other, 1800],
  ])('responds within %s to %s, and lets the exchange continue', async (_, __, wait, withinMs) => {
    const { registry, calls, time } = setUpDeferred();
    const source = registry.createClient('agent', buildTask(), wait);
    let answer: ClientResult | undefined;
    void Promise.resolve(source()).then((given) => (answer = given));
    await time.advance(withinMs);
    expect(answer).toMatchObject({ code: 'exchange_in_progress', retryAfterMs: 1000 });
    calls[0]?.issue();
    await time.settle();
    expect(formatResult(await source())).toBe('ASIA1');
    expect(calls).toHaveLength(1);
  });

  test('gives a client that never retries its first credentials from an exchange of 1.5 s', async () => {
    const { registry, calls, time } = setUpDeferred();
    const wait = chooseResponseTimeoutMs(undefined);
    const credentials = Promise.resolve(registry.createClient('agent', buildTask(), wait)());
    const explicit = registry.startExplicitRun(
      { consumer: 'agent', task: buildTask({ name: 'other' }), params: {} },
      wait,
    );
    await time.advance(1500);
    for (const call of calls) call.issue();
    expect([formatResult(await credentials), formatResult(await explicit)]).toEqual([
      'ASIA1',
      'ASIA2',
    ]);
  });

  test('names the last failure, with its age, while an exchange is repeated', async () => {
    const { registry, calls, time } = setUpDeferred();
    const source = registry.createClient('agent', buildTask());
    const first = Promise.resolve(source());
    await time.advance(100);
    calls[0]?.retry(unavailable);
    await time.advance(800);
    const message = `Its last attempt failed 1 s ago with sts_unreachable: ${unavailable.message}`;
    expect(await first).toMatchObject({
      code: 'exchange_in_progress',
      message: expect.stringContaining(message) as unknown,
    });
    calls[0]?.issue();
    await time.settle();
    expect(formatResult(await source())).toBe('ASIA1');
  });

  test('names the failure of the last exchange during the next one, until one succeeds', async () => {
    const { registry, calls, time } = setUpDeferred();
    const source = registry.createClient('agent', buildTask());
    const first = Promise.resolve(source());
    await time.settle();
    calls[0]?.fail(unavailable);
    await first;
    await time.advance(3_000);
    const second = Promise.resolve(source());
    await time.advance(900);
    expect(await second).toMatchObject({
      code: 'exchange_in_progress',
      message: expect.stringContaining('failed 4 s ago with sts_unreachable') as unknown,
    });
    calls[1]?.issue();
    await time.settle();
    const other = Promise.resolve(registry.createClient('agent', buildTask({ name: 'other' }))());
    await time.advance(900);
    expect(await other).toMatchObject({
      message: expect.not.stringContaining('failed') as unknown,
    });
  });

  test.each([
    ['refused', refused, 'AccessDenied', 5_000],
    ['unavailable', unavailable, 'sts_unreachable', 2_000],
  ])(
    'starts one exchange for a burst after a failure (%s), and another one after its retry time',
    async (_, error, code, memory) => {
      const { registry, calls, time } = setUpDeferred();
      const source = registry.createClient('agent', buildTask());
      const first = source();
      await time.settle();
      calls[0]?.fail(error);
      expect(await first).toMatchObject({ code, retryAfterMs: memory });
      for (let n = 0; n < 20; n += 1) expect(formatResult(await source())).toBe(code);
      expect(calls).toHaveLength(1);
      await time.advance(memory);
      void source();
      await time.settle();
      expect(calls).toHaveLength(2);
    },
  );

  test('serves unexpired credentials while STS is down', async () => {
    const { calls, time, source } = await setUpDeferredWithRun();
    await time.advance(450_000);
    expect(formatResult(await source())).toBe('ASIA1');
    await time.settle();
    calls[1]?.fail(unavailable);
    await time.advance(130_000);
    expect(formatResult(await source())).toBe('ASIA1');
  });

  test('returns no details of an internal error in the exchange', async () => {
    const time = createFakeTime();
    const { registry } = createRegistry(() => Promise.reject(new TypeError('secret-1')), time);
    const answer = await registry.createClient('agent', buildTask())();
    expect(answer).toMatchObject({ kind: 'refusal', code: 'internal_error' });
    expect(JSON.stringify(answer)).not.toContain('secret-1');
  });

  test('refuses a run that would expire before it starts', async () => {
    const { registry, calls, time } = setUpDeferred();
    const answer = registry.createClient('agent', buildTask({ lifetimeSeconds: 10 }))();
    await time.settle();
    calls[0]?.issue({ skewMs: 20_000 });
    expect(await answer).toMatchObject({ code: 'clock_skew', nature: 'refused' });
  });
});

describe('after the end of a run', () => {
  const reasons = ['completed', 'superseded', 'revoked', 'terminated'] as const;

  test.each(reasons)(
    'erases the credentials of a %s run and never serves them again',
    async (reason) => {
      const { registry, events } = setUpImmediate();
      const source = registry.createClient('agent', buildTask());
      const first = await source();
      await ENDINGS[reason](registry);
      expect(formatResult(first)).toBe('only zeros');
      expect(registry.getRun('agent', 'run-1')).toBeUndefined();
      expect(formatResult(await source())).toMatch(/^ASIA[23]$|^terminating$/);
      await ENDINGS[reason](registry);
      expect(events.filter((event) => event.startsWith('run-1'))).toEqual([
        'run-1 started',
        `run-1 ${reason}`,
      ]);
    },
  );

  test('drops a pending renewal of the run', async () => {
    const { registry, calls, time, events, source } = await setUpDeferredWithRun();
    await time.advance(500_000);
    void source();
    await time.settle();
    registry.revoke([buildRevocation({ run: 'run-1' })]);
    expect(calls[1]?.signal.aborted).toBe(true);
    calls[1]?.issue();
    await time.settle();
    expect(events).not.toContain('run-2 started');
    // What was issued may have to be revoked.
    expect(events).toContain('run-2 discarded');
  });

  test('close ends every run, refuses new ones, and drops the results of pending exchanges', async () => {
    const { registry, calls, time, events, source } = await setUpDeferredWithRun();
    const pending = registry.startExplicitRun({
      consumer: 'agent',
      task: buildTask({ name: 'other' }),
      params: {},
    });
    await time.settle();
    expect(registry.close()).toBe(1);
    expect(formatResult(await pending)).toBe('terminating');
    calls[1]?.issue();
    await time.settle();
    expect(events).toEqual(['run-1 started', 'run-1 terminated', 'run-2 discarded']);
    expect(formatResult(await source())).toBe('terminating');
    expect(
      formatResult(
        await registry.startExplicitRun({ consumer: 'agent', task: buildTask(), params: {} }),
      ),
    ).toBe('terminating');
    expect(registry.listActive()).toEqual([]);
  });
});

describe('explicitly started runs', () => {
  const request = (params: Record<string, string> = {}) => ({
    consumer: 'agent',
    task: buildTask(),
    params,
  });

  test('have their own credentials and end separately', async () => {
    const { registry } = setUpImmediate();
    await registry.startExplicitRun(request({ customer: 'a' }));
    await registry.startExplicitRun(request({ customer: 'b' }));
    expect(registry.complete('agent', 'run-1')).toBe(true);
    expect(registry.getRun('agent', 'run-1')).toBeUndefined();
    expect(registry.getRun('agent', 'run-2')).toBeDefined();
  });

  test('can be read and completed only by their own consumer', async () => {
    const { registry } = setUpImmediate();
    await registry.startExplicitRun(request());
    expect(registry.getRun('helper', 'run-1')).toBeUndefined();
    expect(registry.complete('helper', 'run-1')).toBe(false);
    expect(registry.getRun('agent', 'run-1')).toBeDefined();
  });

  test('are returned when the client repeats a request that got exchange_in_progress', async () => {
    const { registry, calls, time } = setUpDeferred();
    const first = registry.startExplicitRun(request({ customer: 'a' }));
    await time.advance(900);
    expect(formatResult(await first)).toBe('exchange_in_progress');
    calls[0]?.issue();
    await time.settle();
    expect(formatResult(await registry.startExplicitRun(request({ customer: 'a' })))).toBe('ASIA1');
    expect(calls).toHaveLength(1);
    void registry.startExplicitRun(request({ customer: 'a' }));
    await time.settle();
    expect(calls).toHaveLength(2);
  });

  test('are not returned if they ended before', async () => {
    const { registry, calls, time } = setUpDeferred();
    void registry.startExplicitRun(request());
    await time.advance(900);
    calls[0]?.issue();
    await time.settle();
    registry.revoke([buildRevocation({ run: 'run-1' })]);
    void registry.startExplicitRun(request());
    await time.settle();
    expect(calls).toHaveLength(2);
  });

  test('need another exchange for other params, another purpose, user token or consumer', async () => {
    const { registry, calls, time } = setUpDeferred();
    void registry.startExplicitRun(request({ customer: 'a' }));
    void registry.startExplicitRun(request({ customer: 'b' }));
    void registry.startExplicitRun({ ...request({ customer: 'a' }), purpose: 'x' });
    void registry.startExplicitRun({ ...request({ customer: 'a' }), userToken: 'x' });
    void registry.startExplicitRun({ ...request({ customer: 'a' }), consumer: 'helper' });
    await time.settle();
    expect(calls).toHaveLength(5);
  });

  test('are limited to 16 per consumer, including pending ones', async () => {
    const { registry, calls, time } = setUpDeferred();
    for (let n = 0; n < 16; n += 1) void registry.startExplicitRun(request({ customer: `c${n}` }));
    await time.settle();
    for (const call of calls.slice(0, 8)) call.issue();
    await time.settle();
    expect(await registry.startExplicitRun(request({ customer: 'more' }))).toMatchObject({
      code: 'too_many_runs',
    });
    expect(calls).toHaveLength(16);
    void registry.startExplicitRun({ ...request(), consumer: 'helper' });
    await time.settle();
    expect(calls).toHaveLength(17);
  });

  test('above 16 get the time until the next run expires as retry time, or 1 s while runs are pending', async () => {
    const { registry, calls, time } = setUpDeferred();
    for (let n = 0; n < 16; n += 1) void registry.startExplicitRun(request({ customer: `c${n}` }));
    await time.settle();
    const wait = async () => {
      const answer = await registry.startExplicitRun(request({ customer: 'more' }));
      return answer.kind === 'refusal' && answer.retryAfterMs;
    };
    expect(await wait()).toBe(1_000);
    for (const call of calls) call.issue();
    await time.advance(570_000);
    expect(await wait()).toBe(20_000);
  });

  test('do not count against the limit after they expired on the wall clock', async () => {
    const { registry, time } = setUpImmediate();
    for (let n = 0; n < 16; n += 1) await registry.startExplicitRun(request({ customer: `c${n}` }));
    time.shiftWallClock(3_600_000);
    expect(formatResult(await registry.startExplicitRun(request({ customer: 'more' })))).toBe(
      'ASIA17',
    );
  });

  test('do not count against the limit after they ended', async () => {
    const { registry } = setUpImmediate();
    for (let n = 0; n < 16; n += 1) await registry.startExplicitRun(request({ customer: `c${n}` }));
    expect(formatResult(await registry.startExplicitRun(request({ customer: 'more' })))).toBe(
      'too_many_runs',
    );
    registry.complete('agent', 'run-3');
    expect(formatResult(await registry.startExplicitRun(request({ customer: 'more' })))).toBe(
      'ASIA17',
    );
  });

  test('leave no timer after all of them ended', async () => {
    const { registry, time } = setUpImmediate();
    for (let n = 0; n < 5; n += 1) await registry.startExplicitRun(request({ customer: `c${n}` }));
    for (let n = 1; n <= 5; n += 1) registry.complete('agent', `run-${n}`);
    expect(time.timers()).toBe(0);
  });
});

describe('an exclusive task', () => {
  const exclusive = buildTask({ name: 'payroll', exclusive: true });

  test("ends the other runs of its consumer when it starts, and no other consumer's", async () => {
    const { registry, events } = setUpImmediate();
    await registry.createClient('agent', buildTask())();
    await registry.createClient('helper', buildTask({ containers: ['helper'] }))();
    await registry.startExplicitRun({ consumer: 'agent', task: exclusive, params: {} });
    expect(events).toEqual(['run-1 started', 'run-2 started', 'run-1 superseded', 'run-3 started']);
  });

  test("drops pending runs of the consumer's other tasks", async () => {
    const { registry, calls, time, events } = setUpDeferred();
    const other = registry.createClient('agent', buildTask())();
    void registry.startExplicitRun({ consumer: 'agent', task: exclusive, params: {} });
    await time.settle();
    calls[1]?.issue();
    expect(formatResult(await other)).toBe('run_ended_before_use');
    calls[0]?.issue();
    await time.settle();
    expect(events).toEqual(['run-2 started', 'run-1 discarded']);
  });

  test('ends no run if it is refused', async () => {
    const { registry, calls, time, events } = await setUpDeferredWithRun();
    const start = registry.startExplicitRun({ consumer: 'agent', task: exclusive, params: {} });
    await time.settle();
    calls[1]?.fail(refused);
    await start;
    expect(events).toEqual(['run-1 started']);
  });

  test('ends no run when it is renewed', async () => {
    const { registry, time, events } = setUpImmediate();
    const source = registry.createClient('agent', exclusive);
    await source();
    await registry.createClient('agent', buildTask())();
    await time.advance(500_000);
    await source();
    await time.settle();
    expect(events).toEqual(['run-1 started', 'run-2 started', 'run-3 started']);
  });
});
