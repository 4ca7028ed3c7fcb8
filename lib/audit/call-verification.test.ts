import { describe, expect, it } from '@jest/globals';

import {
  buildIntent,
  createAuditFile,
  createMemorySink,
  createTestRecorder,
} from './fixtures/recording.ts';
import { buildCallEntry, chainCalls } from './fixtures/call-lines.ts';
import { NOTHING_BEFORE } from './chain.ts';
import { readLine } from './record-reader.ts';
import {
  readRecordedHead,
  verifyCalls,
  type CallVerificationSettings,
} from './call-verification.ts';

const { lines, hashes } = chainCalls(
  Array.from({ length: 6 }, (_, at) => buildCallEntry({ out: at })),
);
const other = chainCalls(Array.from({ length: 6 }, () => buildCallEntry({ out: 99 })));
const runless = chainCalls([0, 1].map(() => buildCallEntry({ run: undefined })));
const log = (message: string): string => `{"level":"info","message":"${message}"}\n`;

const head = (to: number, members: object = {}) => ({
  ...{ run: 'run-1', to, hash: hashes[to] ?? '', file: 'audit.jsonl', line: 7 },
  ...members,
});

const verify = (
  texts: string | readonly string[],
  settings: Partial<CallVerificationSettings> = {},
) =>
  verifyCalls(
    [texts].flat().map((text, at) => createAuditFile(text, `${at}.log`)),
    { heads: [], ...settings },
  );

const select = (...numbers: readonly number[]): string =>
  numbers.map((number) => lines[number] ?? '').join('');

describe('readRecordedHead', () => {
  const readHeads = async (hash: string) => {
    const { sink, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    const calls = {
      ...{ from: 0, to: 0, hash, startedAt: 1, endedAt: 1, bytesIn: 0, bytesOut: 0 },
      counts: { allowed: 0, refused: 0, failed: 0, cut: 0 },
      ...{ refusals: [], used: [], omitted: { refusals: 0, used: 0 } },
    };
    await recorder.record({ ...buildIntent('run-1'), kind: 'run.calls', calls });
    await recorder.close();
    return text()
      .trim()
      .split('\n')
      .map(readLine)
      .flatMap((line) => (line.ok ? [readRecordedHead(line.record, { file: 'a', line: 1 })] : []))
      .filter((head) => head !== undefined);
  };

  it('reads no head of a run without calls, of which no log has a line', async () => {
    expect(await readHeads(NOTHING_BEFORE)).toEqual([]);
    expect(await readHeads('a'.repeat(64))).toMatchObject([{ run: 'run-1', to: 0 }]);
  });
});

describe('verifyCalls', () => {
  it('finds no fault in whole lines among other lines of a log, up to the recorded head', async () => {
    const text = [log('ready'), ...lines.slice(0, 3), 'plain text\n', ...lines.slice(3)].join('');
    const { faults, unverified, runs } = await verify(text, { heads: [head(2), head(5)] });
    expect([faults, unverified]).toEqual([[], []]);
    expect(runs).toEqual([{ run: 'run-1', lines: 6, first: 0, last: 5, recordedThrough: 5 }]);
  });

  it('ignores what a log puts before a line', async () => {
    const text = lines.map((line) => `[pod/agent-7/valetkey] 2026-01-01T00:00:00Z ${line}`);
    expect((await verify(text.join(''), { heads: [head(5)] })).faults).toEqual([]);
  });

  it.each<readonly [string, string, string, readonly number[]]>([
    ['a removed line', select(0, 1, 3, 4, 5), 'call_gap', [3]],
    ['a changed line', select(0, 1, 2).replace('"out":1', '"out":7'), 'call_modified', [2]],
    ['a repeated member', select(0).replace('"out":0', '"out":0,"out":0'), 'call_invalid', [1]],
    ['a broken line', select(0, 1).replace('"out":1', '"out":'), 'call_invalid', [2]],
    ['a replaced line', `${select(0)}${other.lines[1]}${select(2)}`, 'call_broken_link', [2, 3]],
    ['lines in another order', select(0, 2, 1), 'call_gap', [2]],
    ['a missing start', select(2, 3), 'call_missing_start', [1]],
  ])('reports %s with its place', async (_, text, code, places) => {
    const { faults } = await verify(text);
    const found = faults.filter((fault) => fault.code === code);
    expect(found.map(({ line }) => line)).toEqual(places);
  });

  it('reports lines that a record states and no log has', async () => {
    const { faults } = await verify(select(0, 1, 2), { heads: [head(4)] });
    expect(faults).toMatchObject([
      { code: 'call_truncated', file: 'audit.jsonl', line: 7, got: 'an end at line 2' },
    ]);
  });

  it('reports another history than the recorded one', async () => {
    const { faults } = await verify(other.lines.join(''), { heads: [head(3)] });
    expect(faults).toMatchObject([{ code: 'call_fork', file: 'audit.jsonl' }]);
  });

  it('reports a run without any line, unless the options allow it', async () => {
    const heads = [head(2), head(5)];
    expect((await verify(log('ready'), { heads })).faults).toMatchObject([
      { code: 'call_missing' },
    ]);
    const { faults, notes } = await verify(select(3, 4, 5), {
      heads: [head(5), head(5, { run: 'run-2' })],
      isMissingStartAllowed: true,
    });
    expect(faults).toEqual([]);
    expect(notes.map(({ code }) => code)).toEqual(['call_missing_allowed', 'call_missing_allowed']);
  });

  it('reports lines after the last recorded one as unverified', async () => {
    const { faults, unverified } = await verify(lines.join(''), { heads: [head(2)] });
    expect(faults).toEqual([]);
    expect(unverified).toEqual([
      {
        ...{ code: 'call_beyond_record', file: '0.log', line: 6 },
        ...{ chain: 'run-1', sealedThrough: 2, last: 5 },
      },
    ]);
  });

  it('joins the logs of a run in any order, and notes what they repeat', async () => {
    const { faults, notes, runs } = await verify([select(3, 4, 5), select(0, 1, 2, 3)], {
      heads: [head(5)],
    });
    expect([faults, runs[0]?.last]).toEqual([[], 5]);
    expect(notes.map(({ code }) => code)).toEqual(['call_repeated']);
    const forked = await verify([select(0, 1, 2), other.lines.slice(0, 3).join('')]);
    expect(forked.faults).toMatchObject([{ code: 'call_fork' }]);
    const apart = await verify([select(0, 1), select(4, 5)]);
    expect(apart.faults).toMatchObject([{ code: 'call_gap', file: '1.log' }]);
  });

  it('verifies the chain of requests without a run in each process, and notes them', async () => {
    const whole = runless.lines.join('');
    const { faults, notes, unverified } = await verify(whole + whole);
    expect([faults, unverified]).toEqual([[], []]);
    expect(notes).toMatchObject([{ code: 'call_without_run', text: expect.stringMatching(/^4 /) }]);
    const cut = await verify(`${whole}${runless.lines[1]}`);
    expect(cut.faults).toMatchObject([{ code: 'call_out_of_order' }]);
  });
});
