import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ExchangeError } from '../contract/exchange.ts';
import type { Budget, Task } from '../contract/task.ts';
import type { ActiveRun } from '../runs/active-runs.ts';
import {
  buildRevocation,
  buildTask,
  createDeferredExchange,
} from '../runs/fixtures/fake-exchange.ts';
import { createFakeTime } from '../runs/fixtures/fake-time.ts';
import { createLocalKeys } from '../runs/local-keys.ts';
import { createRunBudgets } from '../runs/run-budgets.ts';
import { createRunRegistry } from '../runs/run-registry.ts';
import { createCallRuns, type CallRun, type CallRuns } from './call-runs.ts';

const signTask = buildTask({ delivery: 'sign' });
const owner = { consumer: 'agent', task: signTask.name };

const create = (task: Task = signTask) => {
  const time = createFakeTime();
  const budgets = createRunBudgets({
    consumers: ['agent'],
    store: { read: () => [], write: () => undefined },
    clock: time.clock,
  });
  const source = createDeferredExchange(time.clock);
  const localKeys = createLocalKeys({
    seeds: new Map([['agent', randomBytes(32)]]),
    tasks: Object.keys(task.params).length === 0 ? [owner] : [],
    randomBytes,
  });
  const ends: string[] = [];
  const registry = createRunRegistry({
    exchange: source.exchange,
    ...time,
    localKeys,
    budgets,
    observer: {
      started: () => undefined,
      ended: (run, reason) => {
        ends.push(`${run.run} ${reason}`);
        runs.end(run, reason);
      },
    },
  });
  const runs: CallRuns = createCallRuns({
    admitted: { consumers: ['agent'], tasks: [task] },
    ...{ registry, budgets },
    schedule: time.schedule,
    unavailable: 'authority_unreachable',
  });
  /** Starts a call whose run the source issues at once. */
  const enter = async (): Promise<CallRun> => {
    const entering = runs.resolve(owner);
    source.calls.at(-1)?.issue();
    return requireRun(await entering);
  };
  return { time, source, localKeys, registry, runs, ends, enter };
};

const requireRun = (result: Awaited<ReturnType<CallRuns['resolve']>>): CallRun => {
  if ('code' in result) throw new Error(`${result.code}: ${result.message}`);
  return result;
};

describe('createCallRuns', () => {
  it('starts one run for calls that arrive together, with the keys of the cloud', async () => {
    const { runs, source } = create();
    const entering = [runs.resolve(owner), runs.resolve(owner)];
    source.calls[0]?.issue();
    const [first, second] = (await Promise.all(entering)).map(requireRun);
    expect(source.calls).toHaveLength(1);
    expect(first).toMatchObject({
      run: 'run-1',
      task: 'summarize',
      keys: { accessKeyId: 'ASIA1' },
      allow: signTask.allow,
      account: '111122223333',
    });
    expect(second?.run).toBe('run-1');
  });

  it('waits 15 s for an exchange and then refuses, while the exchange goes on', async () => {
    const { runs, source, time } = create();
    const entering = runs.resolve(owner);
    await time.advance(15_000);
    expect(await entering).toMatchObject({ code: 'exchange_in_progress' });
    source.calls[0]?.issue();
    await time.settle();
    expect(requireRun(await runs.resolve(owner)).run).toBe('run-1');
  });

  it.each(['completed', 'revoked', 'terminated'] as const)(
    'aborts a call at once when its run is %s',
    async (reason) => {
      const { registry, enter } = create();
      const call = await enter();
      if (reason === 'completed') registry.complete('agent', call.run);
      else if (reason === 'revoked') registry.revoke([buildRevocation()]);
      else registry.close();
      expect(call.signal.reason).toMatchObject(
        reason === 'revoked'
          ? { code: 'run_revoked', message: expect.stringContaining('it misbehaves') }
          : { code: 'run_ended' },
      );
    },
  );

  it('aborts no call that has ended', async () => {
    const { registry, enter } = create();
    const call = await enter();
    call.release();
    registry.complete('agent', call.run);
    expect(call.signal.aborted).toBe(false);
  });

  it('renews the run of a call in flight and moves the call to the next run, which can cut it', async () => {
    const { enter, time, source, ends, registry } = create();
    const call = await enter();
    await time.advance(500_000);
    expect(source.calls).toHaveLength(2);
    source.calls[1]?.issue();
    await time.advance(100_000);
    expect(ends).toEqual(['run-1 expired']);
    expect(call.signal.aborted).toBe(false);
    registry.revoke([buildRevocation({ run: 'run-2' })]);
    expect(call.signal.reason).toMatchObject({ code: 'run_revoked' });
  });

  it('cuts a call at the deadline if there is no next run', async () => {
    const { enter, time, source } = create();
    const call = await enter();
    await time.advance(500_000);
    source.calls[1]?.fail(new Error('down'));
    await time.advance(100_000);
    expect(call.signal.reason).toMatchObject({ code: 'run_ended' });
  });

  it('ends a call with its run if the call asks for that, and renews no run for it', async () => {
    const { enter, time, source, runs } = create();
    const listening = await enter();
    listening.endWithRun();
    await time.advance(500_000);
    expect(source.calls).toHaveLength(1);
    const moving = requireRun(await runs.resolve(owner));
    source.calls[1]?.issue();
    await time.advance(100_000);
    expect(listening.signal.reason).toMatchObject({ code: 'run_ended' });
    expect(moving.signal.aborted).toBe(false);
  });

  it('asks for no run when no call is in flight', async () => {
    const { enter, time, source } = create();
    (await enter()).release();
    await time.advance(600_000);
    expect(source.calls).toHaveLength(1);
  });

  it('cuts the calls of a run with params at its deadline: nothing can ask for the next one', async () => {
    const task = buildTask({
      delivery: 'sign',
      params: { id: { pattern: '[a-z]+', maxLength: 9 } },
    });
    const { registry, runs, source, time } = create(task);
    const starting = registry.startExplicitRun({ consumer: 'agent', task, params: { id: 'a' } });
    source.calls[0]?.issue();
    const { run } = (await starting) as ActiveRun;
    const call = requireRun(await runs.resolve({ ...owner, run }));
    await time.advance(600_000);
    expect(call.signal.reason).toMatchObject({ code: 'run_ended' });
    expect(await runs.resolve({ ...owner, run })).toMatchObject({ code: 'run_ended' });
    expect(source.calls).toHaveLength(1);
  });

  it('uses the next run after the cloud said that the keys have expired', async () => {
    const { enter, runs, source, ends } = create();
    const call = await enter();
    call.release();
    call.expire();
    expect(ends).toEqual(['run-1 expired']);
    const next = runs.resolve(owner);
    source.calls[1]?.issue();
    expect(requireRun(await next).run).toBe('run-2');
  });

  it.each([
    [new Error('boom'), 'authority_unreachable'],
    [{ kind: 'x' }, 'authority_unreachable'],
  ])('refuses a call whose exchange fails without an answer', async (failure, code) => {
    const { runs, source } = create();
    const entering = runs.resolve(owner);
    source.calls[0]?.fail(failure);
    expect(await entering).toMatchObject({ code });
  });

  it('refuses a call whose run the source refuses, with the reason', async () => {
    const { runs, source } = create();
    const entering = runs.resolve(owner);
    source.calls[0]?.fail(new ExchangeError('refused', 'policy_denied', 'not at night'));
    expect(await entering).toEqual({
      code: 'run_refused',
      message: 'no run for this key: policy_denied: not at night',
    });
  });
});

describe('a run of a sign task', () => {
  it('serves local keys and holds those of the cloud until it ends', async () => {
    const { enter, registry, localKeys } = create();
    await enter();
    const [active] = registry.listActive();
    const body = JSON.parse(String(active?.credentials)) as Record<string, string>;
    expect(body).toMatchObject({
      AccessKeyId: localKeys.forTask(owner).accessKeyId,
      SecretAccessKey: localKeys.forTask(owner).secretAccessKey,
    });
    expect(JSON.stringify(body)).not.toMatch(/ASIA|secret-1|token-1/);
    expect(active?.held?.keys).toMatchObject({ accessKeyId: 'ASIA1' });
    registry.complete('agent', active?.run ?? '');
    expect(active?.held).not.toHaveProperty('keys');
  });

  it('has keys of its own if it was started explicitly, which are erased at its end', async () => {
    const { registry, source, localKeys } = create();
    const starting = registry.startExplicitRun({ consumer: 'agent', task: signTask, params: {} });
    source.calls[0]?.issue();
    const active = (await starting) as ActiveRun;
    const { AccessKeyId = '' } = JSON.parse(String(active.credentials)) as Record<string, string>;
    expect(AccessKeyId).not.toBe(localKeys.forTask(owner).accessKeyId);
    expect(localKeys.find(AccessKeyId)?.owner).toEqual({ ...owner, run: active.run });
    registry.complete('agent', active.run);
    expect(localKeys.find(AccessKeyId)).toBeUndefined();
  });

  it('has the statements of its task with its params bound', async () => {
    const task = buildTask({
      delivery: 'sign',
      params: { id: { pattern: '[a-z]+', maxLength: 9 } },
      allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{id}/*'] }],
    });
    const { registry, source } = create(task);
    const starting = registry.startExplicitRun({ consumer: 'agent', task, params: { id: 'acme' } });
    source.calls[0]?.issue();
    expect(((await starting) as ActiveRun).held?.allow).toEqual([
      { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/acme/*'] },
    ]);
  });

  describe('with a budget', () => {
    const limited = (budget: Budget) => create({ ...signTask, budget });

    it('lets exactly so many calls in that arrive together, and cuts those in flight at the next', async () => {
      const { runs, source, ends, time } = limited({ calls: 3 });
      const entering = Array.from({ length: 10 }, () => runs.resolve(owner));
      source.calls[0]?.issue();
      const results = await Promise.all(entering);
      const calls = results.filter((each): each is CallRun => !('code' in each));
      expect(calls).toHaveLength(3);
      for (const { signal } of calls) {
        expect(signal.reason).toMatchObject({ code: 'budget_exceeded' });
      }
      for (const refused of results.slice(3))
        expect(refused).toMatchObject({ code: 'budget_exceeded' });
      expect(ends).toEqual(['run-1 budget_exceeded']);
      expect(await runs.resolve(owner)).toMatchObject({ code: 'budget_exceeded' });
      expect(source.calls).toHaveLength(1);
      await time.advance(600_000);
      const again = runs.resolve(owner);
      source.calls[1]?.issue();
      expect(requireRun(await again).run).toBe('run-2');
    });

    it('ends the run at the byte above the budget, which does not pass', async () => {
      const { enter, ends } = limited({ bytesOut: 100 });
      const { meter, signal } = await enter();
      expect(meter?.takeBytes(100)).toBe(true);
      expect(signal.aborted).toBe(false);
      expect(meter?.takeBytes(1)).toBe(false);
      expect(signal.reason).toMatchObject({ code: 'budget_exceeded' });
      expect(ends).toEqual(['run-1 budget_exceeded']);
    });

    it('ends the run after the answer whose tokens exceed the budget', async () => {
      const { enter, ends } = limited({ tokens: 100 });
      const { meter } = await enter();
      expect(meter?.countsTokens).toBe(true);
      meter?.addTokens(99);
      expect(ends).toEqual([]);
      meter?.addTokens(2);
      expect(ends).toEqual(['run-1 budget_exceeded']);
    });

    it('meters nothing without one', async () => {
      expect(await create().enter()).not.toHaveProperty('meter');
    });
  });
});
