import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { renderCallLine, type CallEntry } from '../../lib/audit/call-line.ts';
import { NOTHING_BEFORE } from '../../lib/audit/chain.ts';
import {
  compareCalls,
  readJournal,
  readJournalFigures,
  readRecordedCalls,
  type JournalLine,
  type RecordedCalls,
} from './call-journal.ts';

const toObject = (name: string): string => `arn:aws:s3:::acme-data/reports/${name}`;

const buildLine = (seq: number, changes: Partial<JournalLine> = {}): JournalLine => ({
  run: 'run-1',
  seq,
  outcome: 'allowed',
  resources: [toObject(`${seq}`)],
  ...changes,
});

const recorded = (from: number, to: number, run = 'run-1'): RecordedCalls => ({
  ...{ file: 'audit-00000001.jsonl', line: 1, hash: 'a'.repeat(64) },
  ...{ run, from, to },
});

describe('compareCalls', () => {
  const received = [toObject('0'), toObject('1')];
  const lines = [buildLine(0), buildLine(1), buildLine(2, { outcome: 'refused' })];

  it('finds a line and a record of each call', () => {
    expect(compareCalls(received, lines, [recorded(0, 1), recorded(1, 2)])).toEqual({
      received: 2,
      withoutLine: 0,
      journaled: 3,
      withoutRecord: 0,
    });
  });

  it('counts requests that the cloud received and no line names', () => {
    const figures = compareCalls([...received, toObject('lost')], lines, [recorded(0, 2)]);
    expect(figures).toMatchObject({ received: 3, withoutLine: 1 });
  });

  it('counts lines of a run that no record of that run states', () => {
    const ranges = [recorded(0, 1), recorded(0, 9, 'run-2')];
    expect(compareCalls(received, lines, ranges).withoutRecord).toBe(1);
  });

  it('counts a line of several calls as often as it states, unless they were refused', () => {
    const merged = { resources: [], count: 2 };
    const unnamed = [toObject('a'), toObject('b'), toObject('c')];
    const calls = [buildLine(0, merged), buildLine(1, { ...merged, outcome: 'refused' })];
    expect(compareCalls(unnamed, calls, [])).toMatchObject({
      withoutLine: 1,
      journaled: 4,
      withoutRecord: 4,
    });
  });

  it('expects no record of requests that were refused before their run was known', () => {
    const { journaled, withoutRecord } = compareCalls(
      [],
      [buildLine(0, { run: undefined, outcome: 'refused' })],
      [],
    );
    expect([journaled, withoutRecord]).toEqual([0, 0]);
  });
});

describe('files of a sidecar and an authority', () => {
  let folder: string;
  let journal: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'valetkey-journal-'));
    journal = join(folder, 'sidecar.log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const ENTRY: CallEntry = {
    ...{ at: 1, run: 'run-1', task: 'signed', consumer: 'agent', operation: 's3.GetObject' },
    ...{ actions: ['s3:GetObject'], resources: [toObject('a')], resolved: true },
    ...{ outcome: 'allowed', status: 200, in: 1, out: 1, ms: 1 },
  };
  const first = renderCallLine(ENTRY, { seq: 0, previous: NOTHING_BEFORE });
  const second = renderCallLine(ENTRY, { seq: 1, previous: first.hash });
  const writeRecord = (hash: string, to: number): void => {
    const record = {
      session: { uid: 'run-1' },
      unmapped: { kind: 'run.calls', calls: { from: 0, to, hash } },
    };
    const text = `{"unmapped":{"kind":"run.issued"}}\n${JSON.stringify(record)}\n{"unmapped":{"kind":"run.calls"`;
    writeFileSync(join(folder, 'audit-00000001.jsonl'), text);
  };

  it('are read without other lines, and without one that is not complete', () => {
    writeFileSync(journal, `{"msg":"run started"}\n${first.text}\n`);
    writeRecord(first.hash, 0);
    expect(readJournal(journal)).toMatchObject([{ run: 'run-1', seq: 0 }]);
    expect(readRecordedCalls(folder)).toMatchObject([{ run: 'run-1', from: 0, to: 0, line: 2 }]);
  });

  it('agree if the records state the last line', async () => {
    writeFileSync(journal, `${first.text}\n${second.text}\n`);
    writeRecord(second.hash, 1);
    const figures = await readJournalFigures([toObject('a')], { journal, auditFolder: folder });
    expect(figures).toMatchObject({ withoutLine: 0, withoutRecord: 0, verificationFaults: 0 });
  });

  it('disagree if a line that a record states is gone', async () => {
    writeFileSync(journal, `${first.text}\n`);
    writeRecord(second.hash, 1);
    const figures = await readJournalFigures([toObject('a')], { journal, auditFolder: folder });
    expect(figures.verificationFaults).toBe(1);
  });

  it('have no records before the first file exists', () => {
    expect(readRecordedCalls(join(folder, 'none'))).toEqual([]);
  });
});
