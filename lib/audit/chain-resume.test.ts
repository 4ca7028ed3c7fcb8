import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  createAuditFile,
  buildIntent,
  createMemorySink,
  publicKeys,
  createTestRecorder,
  createRecordedFile,
} from './fixtures/recording.ts';
import type { Head } from './heads.ts';
import { resumeChain, END_BYTES, type FileEnd } from './chain-resume.ts';
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

describe('resumeChain', () => {
  const last = { chain: head.chain, sequence: head.sequence, hash: head.hash };

  it.each([
    ['nothing at all', {}, { after: [] }],
    ['a file', { ends: [buildFileEnd(bytes)] }, { resumes: last, after: [] }],
    [
      'a file and its head',
      { ends: [buildFileEnd(bytes)], published: head },
      { resumes: last, after: [] },
    ],
    ['an empty volume', { ends: [], published: head }, { after: [last] }],
    [
      'a new file that is empty yet',
      { ends: [buildFileEnd(Buffer.alloc(0)), buildFileEnd(bytes)] },
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
    expect(resumeChain(from)).toEqual(expected);
  });

  it('states a partial write in a file without a complete record', () => {
    const ends = [buildFileEnd(Buffer.from('{"half":')), buildFileEnd(bytes)];
    expect(resumeChain({ ends })).toMatchObject({ resumes: last, partialWrite: { bytes: 8 } });
  });
});
