import { describe, expect, it } from '@jest/globals';

import {
  createAuditFile,
  buildIntent,
  createMemorySink,
  publicKeys,
  createTestRecorder,
} from './fixtures/recording.ts';
import { AuditError, type AuditEvent } from './audit-event.ts';
import type { Sink } from './sinks.ts';
import { verifyChain } from './verify.ts';

const splitText = (text: string): readonly string[] => text.split('\n').filter(Boolean);
const listKinds = (text: string): readonly string[] =>
  splitText(text).map((line) => (JSON.parse(line) as { unmapped: { kind: string } }).unmapped.kind);
const disk = new AuditError('disk_full', 'full');

describe('createRecorder', () => {
  it('starts a chain, stores each event and seals the end', async () => {
    const { sink, text, state } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    await recorder.record(buildIntent('run-1'));
    await recorder.close();
    expect(listKinds(text())).toEqual(['chain.started', 'run.intent', 'chain.closed']);
    expect(state.isClosed).toBe(true);
    const report = await verifyChain([createAuditFile(text())], { publicKeys });
    expect(report).toMatchObject({ isWhole: true, chains: [{ records: 3, sealedThrough: 2 }] });
  });

  it('combines concurrent events into few writes', async () => {
    const { sink, appended, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    await Promise.all(
      Array.from({ length: 500 }, (_, run) => recorder.record(buildIntent(`r${run}`))),
    );
    expect(appended.length).toBeLessThanOrEqual(3);
    expect(splitText(text())).toHaveLength(501);
  });

  it('resolves only when every sink has stored the record', async () => {
    const { sink } = createMemorySink();
    const gate = Promise.withResolvers<undefined>();
    let calls = 0;
    const slow: Sink = {
      append: () => ((calls += 1) === 1 ? Promise.resolve() : gate.promise),
      close: () => Promise.resolve(),
    };
    const recorder = await createTestRecorder({ sinks: [sink, slow] });
    let isKept = false;
    const kept = recorder.record(buildIntent('run-1')).then(() => (isKept = true));
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    expect({ calls, isKept }).toEqual({ calls: 2, isKept: false });
    gate.resolve(undefined);
    await kept;
    expect(isKept).toBe(true);
  });

  it('fails waiting and later events while a sink fails and reports each failure', async () => {
    const { sink, state } = createMemorySink();
    const failures: string[] = [];
    const observer = {
      written: () => undefined,
      failed: ({ code }: AuditError) => failures.push(code),
    };
    const recorder = await createTestRecorder({ sinks: [sink], observer });
    state.failure = disk;
    const together = await Promise.allSettled(
      Array.from({ length: 600 }, (_, run) => recorder.record(buildIntent(`r${run}`))),
    );
    expect(new Set(together.map(({ status }) => status))).toEqual(new Set(['rejected']));
    await expect(recorder.record(buildIntent('later'))).rejects.toBe(disk);
    expect(failures).toEqual(['disk_full', 'disk_full']);
  });

  it('reports recovery, even after a failed checkpoint without later events', async () => {
    const { sink, state } = createMemorySink();
    const reported: string[] = [];
    const observer = {
      written: () => reported.push('written'),
      failed: () => reported.push('failed'),
    };
    const recorder = await createTestRecorder({ sinks: [sink], observer });
    await recorder.record(buildIntent('run-1'));
    state.failure = disk;
    await expect(recorder.checkpoint()).rejects.toBe(disk);
    delete state.failure;
    await recorder.checkpoint();
    await recorder.checkpoint();
    expect(reported).toEqual(['written', 'written', 'failed', 'written']);
  });

  it('continues an intact chain when writing succeeds again', async () => {
    const { sink, state, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    state.failure = disk;
    await expect(recorder.record(buildIntent('lost-answer'))).rejects.toBe(disk);
    delete state.failure;
    await recorder.record(buildIntent('after'));
    await recorder.close();
    const report = await verifyChain([createAuditFile(text())], { publicKeys });
    expect(report.faults).toEqual([]);
    expect(text()).toContain('lost-answer');
  });

  it('writes the same lines to every sink after one failed temporarily', async () => {
    const first = createMemorySink();
    const second = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [first.sink, second.sink] });
    second.state.failure = new Error('EPIPE');
    await expect(recorder.record(buildIntent('a'))).rejects.toMatchObject({ code: 'sink_failed' });
    await expect(recorder.record(buildIntent('b'))).rejects.toMatchObject({ code: 'sink_failed' });
    delete second.state.failure;
    await recorder.record(buildIntent('c'));
    expect(second.text()).toBe(first.text());
    expect((await verifyChain([createAuditFile(first.text())], { publicKeys })).faults).toEqual([]);
  });

  it('throws when the first record cannot be stored and closes its sinks', async () => {
    const { sink, state } = createMemorySink();
    state.failure = disk;
    await expect(createTestRecorder({ sinks: [sink] })).rejects.toBe(disk);
    expect(state.isClosed).toBe(true);
  });

  it.each([
    ['of an unknown kind', { kind: 'other', at: 1 }],
    ['without a time', { kind: 'run.intent', at: Number.NaN }],
  ])('an event %s fails alone', async (_, event) => {
    const { sink, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    const [bad, good] = await Promise.allSettled([
      recorder.record(event as AuditEvent),
      recorder.record(buildIntent('run-1')),
    ]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'bad_event' } });
    expect(good).toMatchObject({ status: 'fulfilled' });
    expect((await verifyChain([createAuditFile(text())], { publicKeys })).faults).toEqual([]);
  });

  it('rejects events after it is closed', async () => {
    const recorder = await createTestRecorder();
    await recorder.close();
    await expect(recorder.record(buildIntent('run-1'))).rejects.toMatchObject({ code: 'closed' });
  });

  it('rejects events while too many are waiting', async () => {
    const never: Sink = {
      append: () => new Promise(() => undefined),
      close: () => Promise.resolve(),
    };
    let calls = 0;
    const sink: Sink = {
      ...never,
      append: (lines, isSealed) =>
        (calls += 1) > 1 ? never.append(lines, isSealed) : Promise.resolve(),
    };
    const recorder = await createTestRecorder({ sinks: [sink] });
    void recorder.record(buildIntent('stuck'));
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    for (let waiting = 0; waiting < 8_192; waiting += 1)
      void recorder.record(buildIntent('waiting'));
    await expect(recorder.record(buildIntent('last'))).rejects.toMatchObject({
      code: 'overloaded',
    });
    expect(recorder.queue()).toEqual({ used: 8_192, max: 8_192 });
  });
});

describe('sealing', () => {
  it('happens after at most 1,000 records', async () => {
    const { sink, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    await Promise.all(
      Array.from({ length: 2_100 }, (_, run) => recorder.record(buildIntent(`${run}`))),
    );
    const kinds = listKinds(text());
    expect(kinds.filter((kind) => kind === 'chain.checkpoint')).toHaveLength(2);
    expect(kinds.indexOf('chain.checkpoint')).toBe(1_001);
  });

  it('happens only when there are unsealed records', async () => {
    const { sink, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    await recorder.checkpoint();
    await recorder.record(buildIntent('run-1'));
    await recorder.checkpoint();
    await recorder.checkpoint();
    expect(listKinds(text())).toEqual(['chain.started', 'run.intent', 'chain.checkpoint']);
    expect(recorder.head().sequence).toBe(2);
  });

  it('changes the head only when the seal is stored', async () => {
    const { sink, state } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    await recorder.record(buildIntent('run-1'));
    state.failure = disk;
    await expect(recorder.checkpoint()).rejects.toBe(disk);
    expect(recorder.head().sequence).toBe(0);
    delete state.failure;
    await recorder.checkpoint();
    expect(recorder.head().sequence).toBe(2);
  });
});
