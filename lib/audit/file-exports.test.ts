import { createHash } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import { describeExport } from './file-exports.ts';
import { createAuditFile, createRecordedFile } from './fixtures/recording.ts';

const REPLICA = 'valetkey-authority-0';

describe('describeExport', () => {
  it('names the file by replica and chain, because file names start again on a new volume', async () => {
    const [one, other] = await Promise.all([createRecordedFile(2), createRecordedFile(2)]);
    const [first, second] = await Promise.all(
      [one, other].map(({ text }) => describeExport(createAuditFile(text), REPLICA)),
    );
    expect(first).toEqual({
      name: expect.stringMatching(
        /^valetkey-authority-0\/valetkey-authority-0\.chain\d+\/a\.jsonl$/,
      ),
      sha256: createHash('sha256').update(one.text).digest('hex'),
      bytes: Buffer.byteLength(one.text),
    });
    expect(second?.name).not.toBe(first?.name);
  });

  it('reads the chain after a partial line of a killed process', async () => {
    const { text } = await createRecordedFile(2);
    expect(await describeExport(createAuditFile(`{"partial\n${text}`), REPLICA)).toBeDefined();
  });

  it.each([
    ['no record', 'nothing\n', undefined],
    ['records of another replica', undefined, 'valetkey-authority-1'],
    ['a chain that leaves the folder', undefined, '../valetkey-authority-0'],
  ])('does not export a file with %s', async (_, given, replica) => {
    const { text } = await createRecordedFile(2, { replica: replica ?? REPLICA });
    const file = createAuditFile(given ?? text);
    expect(await describeExport(file, replica?.startsWith('..') ? replica : REPLICA)).toBe(
      undefined,
    );
  });
});
