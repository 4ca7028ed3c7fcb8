import { execFileSync, spawn } from 'node:child_process';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { appendFile, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { buildIntent, publicKeys, createTestRecorder } from '../../audit/fixtures/recording.ts';
import type { PublicKeys } from '../../audit/sealing-keys.ts';
import { newSealingKey, parseSealingKey, readPublicKeys } from '../../audit/sealing-keys.ts';
import { verifyChain, type AuditReport } from '../../audit/verify.ts';
import type { OpenFile } from './append-file.ts';
import { createAuditFiles } from './audit-files.ts';
import { createStandardOutputSink } from './standard-output.ts';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'valetkey-audit-'));
  folder = join(root, 'data');
  mkdirSync(folder);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const names = (): readonly string[] => readdirSync(folder).sort();
const verify = (keys: PublicKeys = publicKeys): Promise<AuditReport> =>
  verifyChain(
    names().map((name) => ({ name, chunks: createReadStream(join(folder, name)) })),
    { publicKeys: keys },
  );

type Options = Partial<Omit<Parameters<typeof createAuditFiles>[0], 'folder'>>;
const createFiles = (options: Options = {}) =>
  createAuditFiles({ folder, maxFileBytes: 1_000_000, ...options });
const startRecording = async (options: Options = {}) => {
  const { sink, ends } = await createFiles(options);
  return createTestRecorder({ sinks: [sink], resumeFrom: { ends } });
};

/** A disk whose writes or syncs fail on request; a failing write writes half of the bytes first. */
const createFailingDisk = () => {
  const fails = { write: undefined as string | undefined, sync: undefined as string | undefined };
  const counts = { syncs: 0 };
  const failure = (code: string) => Object.assign(new Error(code), { code });
  const fsOpen: OpenFile = async (path, flags, mode) => {
    const file = await open(path, flags, mode);
    const write = file.write.bind(file) as (
      bytes: Buffer,
      from: number,
      length: number,
    ) => Promise<{ bytesWritten: number }>;
    const datasync = file.datasync.bind(file);
    return Object.assign(file, {
      write: async (bytes: Buffer, from: number, length: number) => {
        if (fails.write === undefined) return write(bytes, from, length);
        await write(bytes, from, Math.floor(length / 2));
        throw failure(fails.write);
      },
      datasync: () => {
        counts.syncs += 1;
        return fails.sync === undefined ? datasync() : Promise.reject(failure(fails.sync));
      },
    });
  };
  return { fsOpen, fails, counts };
};

describe('createAuditFiles', () => {
  it('continues a chain across processes', async () => {
    for (const run of ['a', 'b', 'c']) {
      const recorder = await startRecording();
      await recorder.record(buildIntent(run));
      await recorder.close();
    }
    expect(names()).toEqual(['audit-00000001.jsonl']);
    expect(await verify()).toMatchObject({ isWhole: true, notes: [], chains: [{ records: 9 }] });
  });

  it('starts a new file after a seal at the maximum size and continues the chain', async () => {
    for (const run of ['a', 'b']) {
      const recorder = await startRecording({ maxFileBytes: 2_000 });
      for (let each = 0; each < 5; each += 1) await recorder.record(buildIntent(`${run}${each}`));
      await recorder.close();
    }
    expect(names().length).toBeGreaterThan(3);
    expect(await verify()).toMatchObject({ isWhole: true, chains: [{ last: 18 }] });
    const lastLines = names().map((name) =>
      readFileSync(join(folder, name), 'utf8').trimEnd().split('\n').at(-1),
    );
    expect(lastLines.filter((line) => line?.includes('"seal":') !== true)).toEqual([]);
  });

  it('starts a new file at the maximum age', async () => {
    let now = 0;
    const recorder = await startRecording({ maxFileAgeMs: 1_000, now: () => now });
    await recorder.record(buildIntent('a'));
    now = 1_001;
    await recorder.record(buildIntent('b'));
    await recorder.record(buildIntent('c'));
    await recorder.close();
    expect(names()).toEqual(['audit-00000001.jsonl', 'audit-00000002.jsonl']);
    expect(readFileSync(join(folder, names()[1] ?? ''), 'utf8')).toContain('"uid":"c"');
    expect(await verify()).toMatchObject({ isWhole: true });
  });

  it('syncs once for concurrent events', async () => {
    const { fsOpen, counts } = createFailingDisk();
    const recorder = await startRecording({ fsOpen });
    counts.syncs = 0;
    await Promise.all(
      Array.from({ length: 400 }, (_, run) => recorder.record(buildIntent(`${run}`))),
    );
    expect(counts.syncs).toBeLessThanOrEqual(2);
    await recorder.close();
  });

  it('continues after an incomplete line of a killed process', async () => {
    const first = await startRecording();
    await first.close();
    await appendFile(join(folder, 'audit-00000001.jsonl'), '{"half":');
    const second = await startRecording({ maxFileBytes: 10 });
    await second.record(buildIntent('a'));
    await second.close();
    expect(names().length).toBeGreaterThan(1);
    expect(await verify()).toMatchObject({
      isWhole: true,
      notes: [{ code: 'partial_write', line: 3 }],
    });
  });

  it('continues in an empty new file', async () => {
    await (await startRecording()).close();
    writeFileSync(join(folder, 'audit-00000002.jsonl'), '');
    await (await startRecording()).close();
    expect(await verify()).toMatchObject({ isWhole: true, chains: [{ records: 4 }] });
  });

  it('finds the files after number 99,999,999, and no second name of one', async () => {
    const buildPath = (number: number): string => join(folder, `audit-${number}.jsonl`);
    await (await startRecording()).close();
    renameSync(join(folder, 'audit-00000001.jsonl'), buildPath(99_999_999));
    writeFileSync(join(folder, 'audit-000000009.jsonl'), '');
    writeFileSync(buildPath(100_000_000), '');
    await (await startRecording()).close();
    expect(readFileSync(buildPath(100_000_000), 'utf8')).toContain('chain.resumed');
    expect(await verify()).toMatchObject({ isWhole: true, chains: [{ records: 4 }] });
  });

  it('creates files that only the owner can read and ignores other files', async () => {
    writeFileSync(join(folder, 'notes.txt'), 'x');
    await (await startRecording()).close();
    const mode = execFileSync('stat', [
      '-c',
      '%a',
      join(folder, 'audit-00000001.jsonl'),
    ]).toString();
    expect(mode.trim()).toBe('600');
    expect(readFileSync(join(folder, 'notes.txt'), 'utf8')).toBe('x');
  });
});

describe('createAuditFiles on a failing disk', () => {
  it.each([
    ['is full', { write: 'ENOSPC' }, 'disk_full'],
    ['is past its quota', { write: 'EDQUOT' }, 'disk_full'],
    ['does not sync', { sync: 'EIO' }, 'disk_failed'],
  ])(
    'because it %s refuses, and leaves no half record once it works again',
    async (_, how, code) => {
      const { fsOpen, fails } = createFailingDisk();
      const recorder = await startRecording({ fsOpen });
      Object.assign(fails, how);
      await expect(recorder.record(buildIntent('a'))).rejects.toMatchObject({ code });
      await expect(recorder.record(buildIntent('b'))).rejects.toMatchObject({ code });
      Object.assign(fails, { write: undefined, sync: undefined });
      await recorder.record(buildIntent('c'));
      await recorder.close();
      expect(await verify()).toMatchObject({ isWhole: true, notes: [], chains: [{ records: 4 }] });
    },
  );

  it('leaves a file that the next process can continue after a permanent failure', async () => {
    const { fsOpen, fails } = createFailingDisk();
    const recorder = await startRecording({ fsOpen });
    fails.write = 'ENOSPC';
    await expect(recorder.close()).rejects.toMatchObject({ code: 'disk_full' });
    await (await startRecording()).close();
    expect(await verify()).toMatchObject({ isWhole: true, notes: [{ code: 'partial_write' }] });
  });

  const NEWEST = 'audit-00000002.jsonl';
  const OLDER = 'audit-00000001.jsonl';
  it.each<[string, string, (path: string) => unknown]>([
    ['the newest file', 'a FIFO', (path) => execFileSync('mkfifo', [path])],
    ['an older file', 'a FIFO', (path) => execFileSync('mkfifo', [path])],
    ['the newest file', 'a directory', (path) => mkdirSync(path)],
    ['an older file', 'a device', (path) => symlinkSync('/dev/full', path)],
  ])('refuses to start, and does not block, if %s is %s', async (which, kind, create) => {
    const isNewest = which === 'the newest file';
    create(join(folder, isNewest ? NEWEST : OLDER));
    writeFileSync(join(folder, isNewest ? OLDER : NEWEST), '');
    await expect(startRecording()).rejects.toMatchObject({
      code: 'disk_failed',
      message: expect.stringContaining(`expected a regular file, got ${kind}`),
    });
  });

  it('refuses to continue in a FIFO with the name of the next file', async () => {
    const recorder = await startRecording({ maxFileBytes: 1 });
    execFileSync('mkfifo', [join(folder, NEWEST)]);
    const fifo = 'expected a regular file, got a FIFO';
    const recordTwo = async (): Promise<void> => {
      await recorder.record(buildIntent('a'));
      await recorder.record(buildIntent('b'));
    };
    await expect(recordTwo()).rejects.toThrow(fifo);
    await expect(recorder.close()).rejects.toThrow(fifo);
  });

  it('rejects records when another process writes to the file, without truncating it', async () => {
    const recorder = await startRecording();
    const file = join(folder, 'audit-00000001.jsonl');
    await appendFile(file, 'theirs\n');
    await expect(recorder.record(buildIntent('a'))).rejects.toMatchObject({ code: 'other_writer' });
    expect(readFileSync(file, 'utf8')).toMatch(/theirs\n$/);
    await expect(recorder.close()).rejects.toMatchObject({ code: 'other_writer' });
  });

  it('names the path when it cannot be opened', async () => {
    writeFileSync(join(folder, 'file'), '');
    const inside = join(folder, 'file', 'inside');
    const opened = createAuditFiles({ folder: inside, maxFileBytes: 1 });
    await expect(opened).rejects.toMatchObject({
      code: 'disk_failed',
      message: expect.stringContaining(inside),
    });
  });
});

/** A process that records endlessly and prints each run whose records are stored. */
const endless = `
import { createAuditFiles } from '${join(import.meta.dirname, 'audit-files.ts')}';
import { buildIntent, createTestRecorder } from '${join(import.meta.dirname, '../../audit/fixtures/recording.ts')}';
import { parseSealingKey } from '${join(import.meta.dirname, '../../audit/sealing-keys.ts')}';
const [, , folder, pem] = process.argv;
const { sink, ends } = await createAuditFiles({ folder, maxFileBytes: 20_000 });
const resumeFrom = { ends };
const recorder = await createTestRecorder({ sinks: [sink], key: parseSealingKey(pem), resumeFrom });
for (let run = 0; ; run += 1) {
  await Promise.all([0, 1, 2].map((part) => recorder.record(buildIntent('run-' + run + '-' + part))));
  process.stdout.write('run-' + run + '-\\n');
}
`;

it('createAuditFiles has stored every acknowledged record of a killed process', async () => {
  const script = join(root, 'endless.ts');
  writeFileSync(script, endless);
  const pem = newSealingKey();
  const key = parseSealingKey(pem);
  const child = spawn(process.execPath, [script, folder, pem], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const runs: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    runs.push(line);
    if (runs.length === 60) child.kill('SIGKILL');
  }
  const { sink, ends } = await createFiles();
  await (await createTestRecorder({ sinks: [sink], key, resumeFrom: { ends } })).close();
  const report = await verify(readPublicKeys(key.publicKey));
  expect(report.faults).toEqual([]);
  expect(report.chains).toHaveLength(1);
  const text = names()
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('');
  expect(runs.length).toBeGreaterThan(50);
  expect(runs.filter((run) => !text.includes(`${run}2`))).toEqual([]);
}, 30_000);

describe('createStandardOutputSink', () => {
  it('writes lines unchanged', async () => {
    const written: string[] = [];
    const sink = createStandardOutputSink({
      write: (text, done) => {
        written.push(text);
        done();
      },
    });
    await (await createTestRecorder({ sinks: [sink] })).record(buildIntent('a'));
    expect(written.map((text) => text.endsWith('}\n'))).toEqual([true, true]);
  });

  it('throws when the stream is closed', async () => {
    const sink = createStandardOutputSink({ write: (_, done) => done(new Error('EPIPE')) });
    await expect(createTestRecorder({ sinks: [sink] })).rejects.toMatchObject({
      code: 'sink_failed',
    });
  });
});
