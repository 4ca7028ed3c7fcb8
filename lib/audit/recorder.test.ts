import { describe, expect, test } from '@jest/globals';

import { fileOf, intent, memorySink, publicKeys, record } from './fixtures/recording.ts';
import { AuditError, type AuditEvent } from './record.ts';
import type { Sink } from './sinks.ts';
import { verifyChain } from './verify.ts';

const linesIn = (text: string): readonly string[] => text.split('\n').filter(Boolean);
const kindsIn = (text: string): readonly string[] =>
  linesIn(text).map((line) => (JSON.parse(line) as { unmapped: { kind: string } }).unmapped.kind);
const disk = new AuditError('disk_full', 'full');

describe('a recorder', () => {
  test('begins its chain, keeps each event and ends sealed', async () => {
    const { sink, text, state } = memorySink();
    const recorder = await record({ sinks: [sink] });
    await recorder.record(intent('run-1'));
    await recorder.close();
    expect(kindsIn(text())).toEqual(['chain.begun', 'run.intent', 'chain.closed']);
    expect(state.isClosed).toBe(true);
    const report = await verifyChain([fileOf(text())], { publicKeys });
    expect(report).toMatchObject({ isWhole: true, chains: [{ records: 3, sealedThrough: 2 }] });
  });

  test('keeps many events that come together with few writes', async () => {
    const { sink, appended, text } = memorySink();
    const recorder = await record({ sinks: [sink] });
    await Promise.all(Array.from({ length: 500 }, (_, run) => recorder.record(intent(`r${run}`))));
    expect(appended.length).toBeLessThanOrEqual(3);
    expect(linesIn(text())).toHaveLength(501);
  });

  test('resolves only when every sink keeps the record', async () => {
    const { sink } = memorySink();
    const gate = Promise.withResolvers<undefined>();
    let calls = 0;
    const slow: Sink = {
      append: () => ((calls += 1) === 1 ? Promise.resolve() : gate.promise),
      close: () => Promise.resolve(),
    };
    const recorder = await record({ sinks: [sink, slow] });
    let isKept = false;
    const kept = recorder.record(intent('run-1')).then(() => (isKept = true));
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    expect({ calls, isKept }).toEqual({ calls: 2, isKept: false });
    gate.resolve(undefined);
    await kept;
    expect(isKept).toBe(true);
  });

  test('fails all that waits and all that follows while a sink fails, and says so each time', async () => {
    const { sink, state } = memorySink();
    const failures: string[] = [];
    const observer = {
      written: () => undefined,
      failed: ({ code }: AuditError) => failures.push(code),
    };
    const recorder = await record({ sinks: [sink], observer });
    state.failure = disk;
    const together = await Promise.allSettled(
      Array.from({ length: 600 }, (_, run) => recorder.record(intent(`r${run}`))),
    );
    expect(new Set(together.map(({ status }) => status))).toEqual(new Set(['rejected']));
    await expect(recorder.record(intent('later'))).rejects.toBe(disk);
    expect(failures).toEqual(['disk_full', 'disk_full']);
  });

  test('says that writing works again, also where a checkpoint failed and nothing follows it', async () => {
    const { sink, state } = memorySink();
    const told: string[] = [];
    const observer = { written: () => told.push('written'), failed: () => told.push('failed') };
    const recorder = await record({ sinks: [sink], observer });
    await recorder.record(intent('run-1'));
    state.failure = disk;
    await expect(recorder.checkpoint()).rejects.toBe(disk);
    delete state.failure;
    await recorder.checkpoint();
    await recorder.checkpoint();
    expect(told).toEqual(['written', 'written', 'failed', 'written']);
  });

  test('goes on by itself once writing works again, with a chain that is whole', async () => {
    const { sink, state, text } = memorySink();
    const recorder = await record({ sinks: [sink] });
    state.failure = disk;
    await expect(recorder.record(intent('lost-answer'))).rejects.toBe(disk);
    delete state.failure;
    await recorder.record(intent('after'));
    await recorder.close();
    const report = await verifyChain([fileOf(text())], { publicKeys });
    expect(report.faults).toEqual([]);
    expect(text()).toContain('lost-answer');
  });

  test('gives every sink the same lines, although one of them failed for a while', async () => {
    const first = memorySink();
    const second = memorySink();
    const recorder = await record({ sinks: [first.sink, second.sink] });
    second.state.failure = new Error('EPIPE');
    await expect(recorder.record(intent('a'))).rejects.toMatchObject({ code: 'sink_failed' });
    await expect(recorder.record(intent('b'))).rejects.toMatchObject({ code: 'sink_failed' });
    delete second.state.failure;
    await recorder.record(intent('c'));
    expect(second.text()).toBe(first.text());
    expect((await verifyChain([fileOf(first.text())], { publicKeys })).faults).toEqual([]);
  });

  test('refuses to open where its first record cannot be kept, and closes its sinks', async () => {
    const { sink, state } = memorySink();
    state.failure = disk;
    await expect(record({ sinks: [sink] })).rejects.toBe(disk);
    expect(state.isClosed).toBe(true);
  });

  test.each([
    ['of no known kind', { kind: 'other', at: 1 }],
    ['without a time', { kind: 'run.intent', at: Number.NaN }],
  ])('an event %s fails alone', async (_, event) => {
    const { sink, text } = memorySink();
    const recorder = await record({ sinks: [sink] });
    const [bad, good] = await Promise.allSettled([
      recorder.record(event as AuditEvent),
      recorder.record(intent('run-1')),
    ]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'bad_event' } });
    expect(good).toMatchObject({ status: 'fulfilled' });
    expect((await verifyChain([fileOf(text())], { publicKeys })).faults).toEqual([]);
  });

  test('takes nothing more once it is closed', async () => {
    const recorder = await record();
    await recorder.close();
    await expect(recorder.record(intent('run-1'))).rejects.toMatchObject({ code: 'closed' });
  });

  test('refuses what comes while too much waits already', async () => {
    const never: Sink = {
      append: () => new Promise(() => undefined),
      close: () => Promise.resolve(),
    };
    let calls = 0;
    const sink: Sink = {
      ...never,
      append: (lines) => ((calls += 1) > 1 ? never.append(lines) : Promise.resolve()),
    };
    const recorder = await record({ sinks: [sink] });
    void recorder.record(intent('stuck'));
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    for (let waiting = 0; waiting < 8_192; waiting += 1) void recorder.record(intent('waiting'));
    await expect(recorder.record(intent('last'))).rejects.toMatchObject({ code: 'overloaded' });
  });
});

describe('a seal', () => {
  test('comes after a thousand records at most', async () => {
    const { sink, text } = memorySink();
    const recorder = await record({ sinks: [sink] });
    await Promise.all(Array.from({ length: 2_100 }, (_, run) => recorder.record(intent(`${run}`))));
    const kinds = kindsIn(text());
    expect(kinds.filter((kind) => kind === 'chain.checkpoint')).toHaveLength(2);
    expect(kinds.indexOf('chain.checkpoint')).toBe(1_001);
  });

  test('is put where something is not sealed yet, and nowhere else', async () => {
    const { sink, text } = memorySink();
    const recorder = await record({ sinks: [sink] });
    await recorder.checkpoint();
    await recorder.record(intent('run-1'));
    await recorder.checkpoint();
    await recorder.checkpoint();
    expect(kindsIn(text())).toEqual(['chain.begun', 'run.intent', 'chain.checkpoint']);
    expect(recorder.head().sequence).toBe(2);
  });

  test('is the head only once it is kept', async () => {
    const { sink, state } = memorySink();
    const recorder = await record({ sinks: [sink] });
    await recorder.record(intent('run-1'));
    state.failure = disk;
    await expect(recorder.checkpoint()).rejects.toBe(disk);
    expect(recorder.head().sequence).toBe(0);
    delete state.failure;
    await recorder.checkpoint();
    expect(recorder.head().sequence).toBe(2);
  });
});
