import { createHash } from 'node:crypto';
import {
  copyFileSync,
  createReadStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  buildIntent,
  createAuditFile,
  createMemorySink,
  createTestRecorder,
  publicKeys,
  startedAt,
} from '../../audit/fixtures/recording.ts';
import type { Head } from '../../audit/heads.ts';
import { createPruner, type RetentionDeps, type RetentionOptions } from '../../audit/retention.ts';
import type { Sink } from '../../audit/sinks.ts';
import { verifyChain, type AuditReport } from '../../audit/verify.ts';
import { createAuditFiles } from './audit-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-retention-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((sink) => sink.close()));
  rmSync(folder, { recursive: true, force: true });
});
const opened: Sink[] = [];

const names = (): readonly string[] => readdirSync(folder).sort();
const verify = (heads: Readonly<Record<string, Head>>, log?: string): Promise<AuditReport> =>
  verifyChain(
    [
      ...names().map((name) => ({ name, chunks: createReadStream(join(folder, name)) })),
      ...(log === undefined ? [] : [createAuditFile(log, 'log')]),
    ],
    { publicKeys, heads },
  );

/** A process that wrote five files; its head is published unless the test changes that. */
const startProcess = async (
  options: RetentionOptions,
  deps: Partial<RetentionDeps> = {},
  published?: Head,
) => {
  const files = await createAuditFiles({ folder, maxFileBytes: 2_000 });
  opened.push(files.sink);
  const log = createMemorySink();
  const resumeFrom = { ends: files.ends, ...(published !== undefined && { published }) };
  const recorder = await createTestRecorder({ sinks: [files.sink, log.sink], resumeFrom });
  const record = async (count: number): Promise<void> => {
    for (let run = 0; run < count; run += 1) await recorder.record(buildIntent(`run-${run}`));
  };
  const prune = createPruner(options, {
    ...files,
    published: recorder.head,
    recordRemoval: recorder.prune,
    publicKeys,
    clock: { now: () => Date.now() },
    ...deps,
  });
  return { files, recorder, record, prune, log };
};

const MAX_BYTES = 6_000;

describe('createPruner', () => {
  it('removes the oldest files down to the limit, and the rest verifies without them', async () => {
    const { files, recorder, record, prune, log } = await startProcess({ maxBytes: MAX_BYTES });
    await record(12);
    const before = names();
    while (await prune());
    expect(files.usedBytes()).toBeLessThanOrEqual(MAX_BYTES);
    expect(names()).not.toContain(before[0]);
    const heads = { 'valetkey-authority-0': recorder.head() };
    const report = await verify(heads);
    expect(report).toMatchObject({ isWhole: true, notes: [{ code: 'pruned' }], unverified: [] });
    expect(report.chains[0]?.first).toBeGreaterThan(0);
    expect(await verify(heads, log.text())).toMatchObject({
      isWhole: true,
      chains: [{ first: 0, records: log.text().split('\n').length - 1 }],
    });
  });

  it('states the last record that it removed before it removes it', async () => {
    const { record, prune, log } = await startProcess({ maxBytes: MAX_BYTES });
    await record(12);
    const [oldest = ''] = names();
    const last = readFileSync(join(folder, oldest), 'utf8').trimEnd().split('\n').at(-1) ?? '';
    const { metadata, unmapped } = JSON.parse(last) as {
      metadata: { sequence: number };
      unmapped: { chain: { id: string; hash: string } };
    };
    await prune();
    const { id: chain, hash } = unmapped.chain;
    expect(JSON.parse(log.text().trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      unmapped: {
        kind: 'chain.pruned',
        chain: { pruned: [{ chain, hash, sequence: metadata.sequence }] },
      },
    });
  });

  it.each([
    ['that is not exported', undefined, false],
    ['whose exported bytes were others', 'a'.repeat(64), 'expected the bytes that were exported'],
  ])('keeps a file %s', async (_, sha256, outcome) => {
    const exports = { findSha256: () => sha256 };
    const { record, prune } = await startProcess({ maxBytes: MAX_BYTES }, { exports });
    await record(12);
    const before = names();
    const result: unknown = await prune().catch((error: unknown) => (error as Error).message);
    expect(result).toEqual(outcome === false ? false : expect.stringContaining(String(outcome)));
    expect(names()).toEqual(before);
  });

  it('removes a file whose bytes were exported', async () => {
    const hash = (name: string) =>
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex');
    const exports = { findSha256: ({ name }: { readonly name: string }) => hash(name) };
    const { record, prune } = await startProcess({ maxBytes: MAX_BYTES }, { exports });
    await record(12);
    expect(await prune()).toBe(true);
  });

  it('removes nothing below the limit and younger than the age', async () => {
    const { record, prune } = await startProcess({ maxBytes: 1e9, retainMs: 3_600_000 });
    await record(12);
    expect(await prune()).toBe(false);
  });

  it('removes every closed file that is older than the age', async () => {
    const clock = { now: () => Date.now() + 3_600_001 };
    const { recorder, record, prune } = await startProcess({ retainMs: 3_600_000 }, { clock });
    await record(12);
    while (await prune());
    expect(names()).toHaveLength(1);
    expect(await verify({ 'valetkey-authority-0': recorder.head() })).toMatchObject({
      isWhole: true,
    });
  });

  it('removes nothing that the published head does not cover', async () => {
    let published: Head | undefined;
    const deps = { published: () => published };
    const { recorder, record, prune } = await startProcess({ maxBytes: MAX_BYTES }, deps);
    published = recorder.head();
    await record(12);
    expect(await prune()).toBe(false);
    published = undefined;
    expect(await prune()).toBe(false);
    published = recorder.head();
    expect(await prune()).toBe(true);
  });

  it('leaves a whole chain when the process ends between the record and the removal', async () => {
    const remove = () => Promise.reject(new Error('killed'));
    const first = await startProcess({ maxBytes: MAX_BYTES }, { remove });
    await first.record(12);
    const before = names();
    await expect(first.prune()).rejects.toThrow('killed');
    const head = first.recorder.head();
    expect(names()).toEqual(expect.arrayContaining([...before]));
    expect(await verify({ 'valetkey-authority-0': head })).toMatchObject({ isWhole: true });
    const second = await startProcess({ maxBytes: MAX_BYTES }, {}, head);
    while (await second.prune());
    expect(names()).not.toContain(before[0]);
    expect(await verify({ 'valetkey-authority-0': second.recorder.head() })).toMatchObject({
      isWhole: true,
      notes: [{ code: 'pruned' }],
    });
  });

  it('removes nothing when the removal cannot be recorded', async () => {
    const recordRemoval = () => Promise.reject(new Error('disk full'));
    const { record, prune } = await startProcess({ maxBytes: MAX_BYTES }, { recordRemoval });
    await record(12);
    const before = names();
    await expect(prune()).rejects.toThrow('disk full');
    expect(names()).toEqual(before);
  });

  it.each([
    ['modified', (text: string) => text.replace('acme', 'evil')],
    [
      'cut at its end',
      (text: string) => text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1),
    ],
    ['emptied', () => ''],
  ])('keeps a file that was %s, as evidence', async (_, change) => {
    const { record, prune } = await startProcess({ maxBytes: MAX_BYTES });
    await record(12);
    const [oldest = ''] = names();
    writeFileSync(join(folder, oldest), change(readFileSync(join(folder, oldest), 'utf8')));
    await expect(prune()).rejects.toMatchObject({ message: expect.stringContaining(oldest) });
    expect(names()[0]).toBe(oldest);
  });

  it('does not state more than the file contains when a later record was copied into it', async () => {
    const { record, prune } = await startProcess({ maxBytes: MAX_BYTES });
    await record(12);
    const [oldest = '', , third = ''] = names();
    const later = readFileSync(join(folder, third), 'utf8').trimEnd().split('\n').at(-1) ?? '';
    writeFileSync(join(folder, oldest), `${later}\n`, { flag: 'a' });
    await expect(prune()).rejects.toMatchObject({ message: expect.stringContaining('gap') });
  });

  /** Replaces the oldest files as a writer of the volume can: without the key. */
  const tamper = (change: (names: readonly string[]) => void): void => {
    const [oldest = '', second = '', third = ''] = names().map((name) => join(folder, name));
    change([oldest, second, third]);
  };

  it.each<readonly [string, (files: readonly string[]) => void]>([
    [
      'were deleted',
      ([first = '', second = '']) => [first, second].forEach((file) => rmSync(file)),
    ],
    ['were replaced by a later one', ([first = '', , third = '']) => copyFileSync(third, first)],
  ])('does not account for records when files %s, also after a restart', async (_, change) => {
    const first = await startProcess({});
    await first.record(12);
    const head = first.recorder.head();
    tamper(change);
    const oldest = names()[0] ?? '';
    const second = await startProcess({ maxBytes: MAX_BYTES }, {}, head);
    for (let attempt = 0; attempt < 2; attempt += 1)
      await expect(second.prune()).rejects.toMatchObject({
        message: expect.stringContaining(`${oldest}: expected record 0 of`),
      });
    expect(names()[0]).toBe(oldest);
    expect((await verify({ now: second.recorder.head() })).isWhole).toBe(false);
  });

  it('goes on after a restart where the process before stopped removing', async () => {
    const first = await startProcess({ maxBytes: MAX_BYTES });
    await first.record(12);
    expect(await first.prune()).toBe(true);
    await first.recorder.close();
    opened.pop();
    const second = await startProcess({ maxBytes: MAX_BYTES }, {}, first.recorder.head());
    expect(await second.prune()).toBe(true);
    expect(await verify({ now: second.recorder.head() })).toMatchObject({ isWhole: true });
  });

  it('keeps the records of another replica', async () => {
    const head = { chain: 'valetkey-authority-1.x', sequence: 99, hash: 'f'.repeat(64), at: 0 };
    const deps = { published: () => head };
    const { record, prune } = await startProcess({ maxBytes: MAX_BYTES }, deps);
    await record(12);
    await expect(prune()).rejects.toMatchObject({
      message: expect.stringContaining('expected records of valetkey-authority-1'),
    });
  });

  it('does not trust the time of the file system for the age', async () => {
    const retainMs = 3_600_000;
    const clock = { now: () => startedAt + 1_000 };
    const first = await startProcess({});
    await first.record(12);
    for (const name of names()) utimesSync(join(folder, name), 0, 0);
    const second = await startProcess({ retainMs }, { clock }, first.recorder.head());
    expect(await second.prune()).toBe(false);
    expect(await second.prune()).toBe(false);
  });

  it('removes the end of a chain that a later one replaced', async () => {
    const first = await startProcess({});
    await first.record(3);
    const lost: Head = { ...first.recorder.head(), sequence: 99, hash: 'f'.repeat(64) };
    const second = await startProcess({ maxBytes: MAX_BYTES }, {}, lost);
    await second.record(12);
    while (await second.prune());
    const [chain, ...others] = (await verify({ now: second.recorder.head() })).chains;
    expect(others).toEqual([]);
    expect(chain?.chain).toBe(second.recorder.head().chain);
  });
});
