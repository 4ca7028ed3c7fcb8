import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import {
  createAuditFile,
  buildIntent,
  createMemorySink,
  publicKeys,
  createTestRecorder,
  createRecordedFile,
} from './fixtures/recording.ts';
import { formatUnverified } from './audit-findings.ts';
import type { Head } from './heads.ts';
import { listUnpublishedLines, resumeChain, END_BYTES, type FileEnd } from './chain-resume.ts';
import { computeSha256, linkRecord, type Position } from './chain.ts';
import { readLine } from './record-reader.ts';
import { newSealingKey, parseSealingKey, readPublicKeys } from './sealing-keys.ts';
import { verifyChain } from './verify.ts';

const { text, head } = await createRecordedFile(6);
const bytes = Buffer.from(text);
const buildFileEnd = (given: Uint8Array): FileEnd => ({ bytes: given, isWhole: true });

/** What the next process appends to a file that ends so, as the disk would: on a line of its own. */
const continueChain = async (found: Uint8Array, published?: Head): Promise<Buffer> => {
  const { sink, text: more } = createMemorySink();
  const resumeFrom = { ends: [buildFileEnd(found)], ...(published !== undefined && { published }) };
  const recorder = await createTestRecorder({ sinks: [sink], resumeFrom });
  await recorder.record(buildIntent('next'));
  await recorder.close();
  const needsBreak = found.length > 0 && found.at(-1) !== 0x0a;
  return Buffer.concat([found, Buffer.from(needsBreak ? '\n' : ''), Buffer.from(more())]);
};

const lines = text.split('\n').slice(0, -1);
const joinLines = (given: readonly string[]): string => given.map((line) => `${line}\n`).join('');
const readPosition = (line: string): Position => {
  const reading = readLine(line);
  if (!reading.ok) throw new Error('expected a record');
  return reading.record.position;
};
const getPosition = (index: number): Position => readPosition(lines[index] ?? '');

/** What a writer of the volume without the key can append. */
const forgeRecords = (given: readonly string[], count: number): readonly string[] => {
  const forged = [...given];
  for (let at = 0; at < count; at += 1) {
    const { chain: id, sequence, hash: previous } = readPosition(forged.at(-1) ?? '');
    const attributes = { metadata: {}, unmapped: { kind: 'run.intent' } };
    forged.push(linkRecord(attributes, { id, sequence: sequence + 1, previous }).line);
  }
  return forged;
};

const verifyBytes = (given: Uint8Array) => verifyChain([createAuditFile(given)], { publicKeys });

describe('a file of a killed process', () => {
  it('is continued and verifies after a partial write of any length', async () => {
    const begun = text.indexOf('\n') + 1;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: begun, max: bytes.length }), async (length) => {
        const report = await verifyBytes(await continueChain(bytes.subarray(0, length)));
        expect(report.faults).toEqual([]);
        expect(report.chains).toHaveLength(1);
      }),
      { numRuns: 100 },
    );
  });

  it('is continued after two partial writes with zero bytes', async () => {
    const torn = Buffer.concat([bytes, Buffer.from('{"a":'), Buffer.alloc(500)]);
    const half = (await continueChain(torn)).subarray(0, torn.length + 40);
    const report = await verifyBytes(await continueChain(half));
    expect(report.faults).toEqual([]);
    expect(report.notes).toMatchObject([{ code: 'partial_write' }]);
    expect(report.chains).toHaveLength(1);
  });

  it('fails verification when the bytes of the partial write were changed', async () => {
    const torn = Buffer.concat([bytes, Buffer.from('{"half":')]);
    const after = (await continueChain(torn)).toString();
    expect((await verifyBytes(Buffer.from(after))).notes).toMatchObject([
      { code: 'partial_write' },
    ]);
    for (const other of ['{"other":', '{"half":\n{"half":', '{"half":\n']) {
      const report = await verifyBytes(Buffer.from(after.replace('{"half":', other)));
      expect(report.faults[0]).toMatchObject({ code: 'invalid_record' });
    }
  });

  it('is not accounted for by a record that anyone could have added', async () => {
    const found = lines.slice(0, 5);
    const { chain: id, sequence, hash: previous } = getPosition(4);
    const partial = { bytes: 7, sha256: computeSha256('garbage') };
    const place = { id, sequence: sequence + 1, previous, partial_write: partial };
    const attributes = { metadata: {}, unmapped: { kind: 'run.intent' } };
    const { line } = linkRecord(attributes, place);
    const report = await verifyBytes(Buffer.from(joinLines([...found, 'garbage', line])));
    expect(report).toMatchObject({ faults: [{ code: 'invalid_record', line: 6 }], notes: [] });
  });

  it('may end in an incomplete line', async () => {
    const report = await verifyBytes(Buffer.concat([bytes, Buffer.from('{"half":')]));
    expect(report).toMatchObject({ isWhole: true, notes: [{ code: 'incomplete_line', line: 11 }] });
  });

  it('is followed by a new chain that names both ends when it ends before the published head', async () => {
    const published = { ...head, sequence: head.sequence + 9, hash: 'f'.repeat(64) };
    const report = await verifyBytes(await continueChain(bytes, published));
    expect(report.faults).toMatchObject([
      { code: 'truncated', got: `an end at record ${head.sequence}` },
    ]);
    expect(report.chains).toHaveLength(2);
  });
});

describe('a restart after records without a seal', () => {
  it('leads to a range that cannot be verified, whether or not they were replaced', async () => {
    const found = lines.slice(0, 4);
    for (const end of [found, forgeRecords(found.slice(0, 2), 2)]) {
      const after = await continueChain(Buffer.from(joinLines(end)));
      const report = await verifyBytes(after);
      expect(report).toMatchObject({
        isWhole: true,
        unverified: [
          {
            ...{ code: 'unsealed_before_restart', line: 5, chain: head.chain },
            ...{ sealedThrough: 0, last: 3 },
          },
        ],
      });
      expect(report.unverified.map(formatUnverified)).toEqual([
        `a.jsonl:5: unverified: unsealed_before_restart: records 1 to 3 of ${head.chain}, and what followed them`,
      ]);
    }
  });

  it('leads to an unverified end when records after the last seal could have been removed', async () => {
    const after = await continueChain(Buffer.from(joinLines(lines.slice(0, 5))));
    const report = await verifyBytes(after);
    expect(report).toMatchObject({
      unverified: [{ code: 'open_before_restart', sealedThrough: 4, last: 4 }],
    });
    expect(report.unverified.map(formatUnverified)).toEqual([
      `a.jsonl:6: unverified: open_before_restart: what followed record 4 of ${head.chain}`,
    ]);
  });

  it('leads to nothing unverified when the chain was closed', async () => {
    expect(await verifyBytes(await continueChain(bytes, head))).toMatchObject({ unverified: [] });
  });

  it('leads to an unverified end when the chain was closed but no head is published', async () => {
    expect(await verifyBytes(await continueChain(bytes))).toMatchObject({
      unverified: [{ code: 'open_before_restart', last: head.sequence }],
    });
  });

  it('does not count when the record that states it is forged', async () => {
    const attributes = { metadata: {}, unmapped: { kind: 'chain.resumed' } };
    const { chain: id, sequence, hash: previous } = getPosition(lines.length - 1);
    const interrupted = { sealed: getPosition(0) };
    const place = { id, sequence: sequence + 1, previous, interrupted };
    const { line } = linkRecord(attributes, place, parseSealingKey(newSealingKey()).sign);
    const report = await verifyBytes(Buffer.from(joinLines([...lines, line])));
    expect(report).toMatchObject({ isWhole: false, unverified: [] });
  });
});

describe('listUnpublishedLines', () => {
  const ends = [lines.slice(5), lines.slice(0, 5)].map((found) =>
    buildFileEnd(Buffer.from(joinLines(found))),
  );

  it.each<readonly [string, Head | undefined, readonly string[]]>([
    ['the published head', { ...getPosition(6), at: 1 }, lines.slice(7)],
    ['a published head in the file before', { ...getPosition(2), at: 1 }, lines.slice(3)],
    ['a published head that is the last record', head, []],
    ['no published head', undefined, lines],
  ])('lists the lines after %s', (_, published, expected) => {
    expect(listUnpublishedLines(ends, published)).toEqual(expected);
  });

  it('lists no more lines than one write has', () => {
    const many = [buildFileEnd(Buffer.from(joinLines(forgeRecords(lines, 1_200))))];
    expect(listUnpublishedLines(many, head)).toHaveLength(1_000);
  });
});

describe('resumeChain', () => {
  const last = { chain: head.chain, sequence: head.sequence, hash: head.hash };

  it.each([
    ['nothing at all', {}, { after: [] }],
    [
      'a file and no head',
      { ends: [buildFileEnd(bytes)] },
      { resumes: last, after: [], interrupted: { sealed: last } },
    ],
    [
      'a file and its head',
      { ends: [buildFileEnd(bytes)], published: head },
      { resumes: last, after: [] },
    ],
    ['an empty volume', { ends: [], published: head }, { after: [last] }],
    [
      'a new file that is empty yet',
      { ends: [buildFileEnd(Buffer.alloc(0)), buildFileEnd(bytes)], published: head },
      { resumes: last, after: [] },
    ],
    [
      'a file of another history',
      { ends: [buildFileEnd(bytes)], published: { ...head, hash: 'f'.repeat(64) } },
      { after: [last, { ...last, hash: 'f'.repeat(64) }] },
    ],
    [
      'a file of another chain',
      { ends: [buildFileEnd(bytes)], published: { ...head, chain: 'x.y' } },
      { after: [last, { ...last, chain: 'x.y' }] },
    ],
    [
      'no record near the end of a big file',
      { ends: [{ bytes: Buffer.alloc(END_BYTES), isWhole: false }], published: head },
      { after: [last] },
    ],
  ])('with %s', (_, from, expected) => {
    expect(resumeChain(from, publicKeys)).toEqual(expected);
  });

  it.each<readonly [string, readonly string[], object]>([
    [
      'the records after the last seal',
      lines.slice(0, 4),
      { sealed: getPosition(0), unsealed: { from: getPosition(1), to: getPosition(3) } },
    ],
    ['the last record when it has a seal', lines.slice(0, 5), { sealed: getPosition(4) }],
  ])('states %s when the chain was not closed', (_, found, interrupted) => {
    const ends = [buildFileEnd(Buffer.from(joinLines(found)))];
    const resumes = getPosition(found.length - 1);
    expect(resumeChain({ ends }, publicKeys)).toEqual({ resumes, after: [], interrupted });
  });

  it('finds the last seal in the file before', () => {
    const ends = [lines.slice(2, 4), lines.slice(0, 2)].map((found) =>
      buildFileEnd(Buffer.from(joinLines(found))),
    );
    const unsealed = { from: getPosition(1), to: getPosition(3) };
    expect(resumeChain({ ends }, publicKeys)).toMatchObject({
      resumes: getPosition(3),
      interrupted: { sealed: getPosition(0), unsealed },
    });
  });

  it('does not continue records without a seal past the published head', () => {
    const published = { ...getPosition(4), at: 1 };
    const forged = forgeRecords(lines.slice(0, 4), 3);
    const last = readPosition(forged.at(-1) ?? '');
    expect(last.sequence).toBeGreaterThan(published.sequence);
    const ends = [buildFileEnd(Buffer.from(joinLines(forged)))];
    expect(resumeChain({ ends, published }, publicKeys)).toEqual({
      after: [last, getPosition(4)],
      interrupted: { sealed: getPosition(0), unsealed: { from: getPosition(1), to: last } },
    });
  });

  it('does not continue a chain that was sealed by another key', () => {
    const others = readPublicKeys(parseSealingKey(newSealingKey()).publicKey);
    expect(resumeChain({ ends: [buildFileEnd(bytes)] }, others)).toMatchObject({ after: [last] });
  });

  it('searches the last seal among as many records as a process leaves without one', async () => {
    const { sink, text: long } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    const records = Array.from({ length: 999 }, (_, run) => recorder.record(buildIntent(`${run}`)));
    await Promise.all(records);
    const ends = [buildFileEnd(Buffer.from(long()))];
    expect(resumeChain({ ends }, publicKeys)).toMatchObject({
      resumes: { sequence: 999 },
      interrupted: { sealed: { sequence: 0 } },
    });
    const more = forgeRecords(long().trimEnd().split('\n'), 2);
    const longer = [buildFileEnd(Buffer.from(joinLines(more)))];
    expect(resumeChain({ ends: longer }, publicKeys)).not.toHaveProperty('resumes');
  });

  it('states a partial write in a file without a complete record', () => {
    const ends = [buildFileEnd(Buffer.from('{"half":')), buildFileEnd(bytes)];
    expect(resumeChain({ ends }, publicKeys)).toMatchObject({
      resumes: last,
      partialWrite: { bytes: 8 },
    });
  });
});
