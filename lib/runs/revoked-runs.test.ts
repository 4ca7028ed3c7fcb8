import { describe, expect, test } from '@jest/globals';

import type { RunResult } from './response-timeout.ts';
import {
  createDeferredExchange,
  createImmediateExchange,
  buildRevocation,
  buildTask,
} from './fixtures/fake-exchange.ts';
import { createCredentialsClient, type ClientResult } from './fixtures/credentials-client.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { buildAuthorityDisconnectedRefusal } from './run-refusal.ts';
import { createRunRegistry } from './run-registry.ts';

const setUpRegistry = (
  kind: 'immediate' | 'deferred' = 'immediate',
  currentUntil?: (now: () => number) => number,
) => {
  const time = createFakeTime();
  const immediate = createImmediateExchange(time.clock);
  const deferred = createDeferredExchange(time.clock);
  const events: string[] = [];
  const registry = createRunRegistry({
    ...time,
    exchange: kind === 'immediate' ? immediate.exchange : deferred.exchange,
    observer: {
      started: ({ run }) => events.push(`${run} started`),
      ended: ({ run }, reason) => events.push(`${run} ${reason}`),
    },
    revocationsCurrentUntil: currentUntil && (() => currentUntil(time.clock.monotonic)),
  });
  const request = (name: string) => ({ consumer: 'agent', task: buildTask({ name }), params: {} });
  const createClient = (task = buildTask()) =>
    createCredentialsClient({ registry, schedule: time.schedule }, { task });
  return { time, registry, events, calls: deferred.calls, request, createClient };
};

/** The run's number in its ID or credentials, or the code of the refusal. */
const getCode = (result: RunResult | ClientResult): string => {
  if (!('kind' in result)) return `run-${/ASIA(\d+)/.exec(result.toString())?.[1] ?? 'erased'}`;
  return result.kind === 'run' ? result.run : result.code;
};

describe('a revocation', () => {
  test.each([
    ['of a run ends that run', { run: 'run-1' }, ['run-1 revoked']],
    ['of a task ends its runs', { task: 'b' }, ['run-2 revoked', 'run-3 revoked']],
    ['of the pod ends all its runs', {}, ['run-1 revoked', 'run-2 revoked', 'run-3 revoked']],
    ['of another run ends no run', { run: 'run-9' }, []],
  ])('%s', async (_, named, ended) => {
    const { registry, events, request, time } = setUpRegistry();
    for (const name of ['a', 'b', 'b']) {
      const answer = registry.startExplicitRun(request(name));
      await time.settle();
      await answer;
    }
    registry.revoke([buildRevocation(named)]);
    expect(events.slice(3)).toEqual(ended);
  });

  test('is the reason that requests for the run get until its deadline', async () => {
    const { registry, request, time } = setUpRegistry();
    await registry.startExplicitRun(request('a'));
    registry.revoke([buildRevocation({ run: 'run-1' })]);
    expect(registry.findRevocationRefusal('agent', 'run-1')).toMatchObject({
      code: 'run_revoked',
      nature: 'refused',
      message: expect.stringContaining('it misbehaves'),
    });
    expect(registry.findRevocationRefusal('helper', 'run-1')).toBeUndefined();
    await time.advance(600_000);
    expect(registry.findRevocationRefusal('agent', 'run-1')).toBeUndefined();
    expect(time.timers()).toBe(0);
  });

  test.each([{ run: 'run-1' }, { task: 'a' }, {}])(
    'that arrives during the exchange (%j) prevents the run',
    async (named) => {
      const { registry, calls, events, request, time } = setUpRegistry('deferred');
      const answer = registry.startExplicitRun(request('a'));
      await time.settle();
      registry.revoke([buildRevocation(named)]);
      calls[0]?.issue();
      expect(getCode(await answer)).toBe('run_revoked');
      expect(events).toEqual([]);
      expect(registry.listActive()).toEqual([]);
    },
  );

  test('that arrives before the exchange prevents later runs until it is lifted', async () => {
    const { registry, calls, request, time, createClient } = setUpRegistry('deferred');
    registry.revoke([buildRevocation({ task: 'a' })]);
    const source = createClient(buildTask({ name: 'a' }));
    const answer = source();
    await time.settle();
    calls[0]?.issue();
    expect(getCode(await answer)).toBe('run_revoked');
    registry.revoke([]);
    await time.advance(5_000);
    const again = registry.startExplicitRun(request('a'));
    await time.settle();
    calls[1]?.issue();
    expect(getCode(await again)).toBe('run-2');
  });

  test('that is lifted does not restore the run', async () => {
    const { registry, request } = setUpRegistry();
    await registry.startExplicitRun(request('a'));
    registry.revoke([buildRevocation()]);
    registry.revoke([]);
    expect(registry.getRun('agent', 'run-1')).toBeUndefined();
  });

  test('by the sidecar itself ends every run with that reason', async () => {
    const { registry, events, request } = setUpRegistry();
    await registry.startExplicitRun(request('a'));
    registry.revokeAll(buildAuthorityDisconnectedRefusal(60_000));
    expect(events.at(-1)).toBe('run-1 revoked');
    expect(registry.findRevocationRefusal('agent', 'run-1')).toMatchObject({
      code: 'authority_disconnected',
    });
    expect(registry.findRevocationRefusal('agent', 'run-1')?.message).toContain('60 s');
  });

  test('is remembered for a limited number of runs', async () => {
    const { registry, request, time } = setUpRegistry();
    for (let n = 0; n < 300; n += 1) {
      // The start rate limit is per consumer.
      await registry.startExplicitRun({ ...request('a'), consumer: `agent-${n + 1}` });
      registry.revoke([buildRevocation({ run: `run-${n + 1}` })]);
    }
    await time.settle();
    expect(registry.findRevocationRefusal('agent-1', 'run-1')).toBeUndefined();
    expect(registry.findRevocationRefusal('agent-300', 'run-300')).toBeDefined();
  });
});

describe('a sidecar that is disconnected from the authority', () => {
  const disconnected = () => -Infinity;

  test('serves a run that was served before until its deadline', async () => {
    const { createClient, time } = setUpRegistry('immediate', disconnected);
    const source = createClient();
    const first = await source();
    expect(getCode(first)).toBe('run-1');
    await time.advance(400_000);
    expect(source()).toBe(first);
  });

  test('starts another exchange instead of returning a run that was never served', async () => {
    const { registry, events, request, time, calls } = setUpRegistry('deferred', disconnected);
    const first = registry.startExplicitRun(request('a'));
    await time.advance(900);
    expect(getCode(await first)).toBe('exchange_in_progress');
    calls[0]?.issue();
    await time.advance(15_000);
    const again = registry.startExplicitRun(request('a'));
    await time.settle();
    expect(calls).toHaveLength(2);
    expect(events).toContain('run-1 superseded');
    calls[1]?.issue();
    expect(getCode(await again)).toBe('run-2');
  });

  test('serves a new run shortly after its exchange, because the authority decided then', async () => {
    const { registry, request, time, calls } = setUpRegistry('deferred', disconnected);
    void registry.startExplicitRun(request('a'));
    await time.advance(900);
    calls[0]?.issue();
    await time.advance(10_000);
    expect(getCode(await registry.startExplicitRun(request('a')))).toBe('run-1');
  });

  test('serves a new run if the event stream was current since its exchange', async () => {
    const { registry, request, time, calls } = setUpRegistry('deferred', (now) => now() - 5_000);
    void registry.startExplicitRun(request('a'));
    await time.advance(900);
    calls[0]?.issue();
    await time.advance(60_000);
    expect(getCode(await registry.startExplicitRun(request('a')))).toBe('run-1');
  });

  test('keeps serving the earlier run while its renewal is not servable', async () => {
    const { createClient, time, calls } = setUpRegistry('deferred', disconnected);
    const source = createClient();
    const first = source();
    await time.settle();
    calls[0]?.issue();
    expect(getCode(await first)).toBe('run-1');
    await time.advance(480_000);
    void source();
    await time.settle();
    calls[1]?.issue();
    await time.advance(20_000);
    expect(getCode(await source())).toBe('run-1');
    expect(calls).toHaveLength(3);
  });
});
