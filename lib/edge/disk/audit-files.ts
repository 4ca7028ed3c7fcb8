import type { Stats } from 'node:fs';
import { mkdir, open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import type { AuditFile, ClosedFile } from '../../audit/file-verification.ts';
import type { Sink } from '../../audit/sinks.ts';
import { END_BYTES, type FileEnd } from '../../audit/chain-resume.ts';
import { createAppendFile, syncFolder, type AppendFile, type OpenFile } from './append-file.ts';
import { wrapDiskErrors } from './disk-error.ts';
import { checkRegularFile, readRegularFile, streamRegularFile } from './regular-file.ts';

export type AuditFiles = {
  readonly sink: Sink;
  /** Ends of the two newest files at the start, the newest first. */
  readonly ends: readonly FileEnd[];
  /** All files but the newest, the oldest first. */
  readonly listClosed: () => readonly ClosedFile[];
  /** Size of all files. */
  readonly usedBytes: () => number;
  readonly read: (file: ClosedFile) => AuditFile;
  /** All files, each opened when it is reached. */
  readonly readNewestFirst: () => Iterable<AuditFile>;
  /** Removes a closed file; the removal survives a crash. @throws AuditError */
  readonly remove: (file: ClosedFile) => Promise<void>;
};

/** Digits of the file number, so that names sort in order. */
const DIGITS = 8;
const FILE_NAME = /^audit-(\d{8,15})\.jsonl$/;

const formatFileName = (number: number): string =>
  `audit-${String(number).padStart(DIGITS, '0')}.jsonl`;

/**
 * Opens the audit files of one replica: `audit-00000001.jsonl` and so on in `folder`, which is created if
 * missing. Files are append-only. Every append is synced (`fdatasync`) before it resolves. At
 * `maxFileBytes`, or when this process has written to a file for `maxFileAgeMs`, the next file starts after a
 * sealed record, so each file but the newest ends in a seal.
 *
 * @param settings.fsOpen replaced in tests that simulate a failing disk
 * @throws AuditError `disk_full` or `disk_failed`
 */
export const createAuditFiles = async ({
  folder,
  maxFileBytes,
  maxFileAgeMs = Infinity,
  now = Date.now,
  fsOpen = open,
}: {
  readonly folder: string;
  readonly maxFileBytes: number;
  readonly maxFileAgeMs?: number;
  readonly now?: () => number;
  readonly fsOpen?: OpenFile;
}): Promise<AuditFiles> => {
  const numbers = await wrapDiskErrors(folder, () => listNumbers(folder));
  const buildPath = (number: number): string => join(folder, formatFileName(number));
  const newest = numbers.slice(0, 2);
  const ends = await Promise.all(newest.map((number) => readEnd(buildPath(number))));
  const first = numbers[0] ?? 1;
  const older = numbers.slice(1).toReversed();
  const readClosed = (number: number) => readClosedFile(folder, number);
  const closed = await Promise.all(older.map(readClosed));
  const createNumberedFile = (number: number, isNew: boolean): Promise<AppendFile> =>
    createAppendFile({ folder, path: buildPath(number), isNew, fsOpen });
  const current = await createNumberedFile(first, numbers.length === 0);
  const onClosed = (file: ClosedFile): void => void closed.push(file);
  const limits = { maxFileBytes, maxFileAgeMs, now };
  const writing = { first, current, createNumberedFile, ...limits, readClosed, onClosed };
  const { sink, size, getNumber } = createRotatingSink(writing);
  const read = ({ name }: Pick<ClosedFile, 'name'>): AuditFile => ({
    name,
    chunks: streamRegularFile(join(folder, name)),
  });
  return {
    ends,
    sink,
    listClosed: () => closed,
    usedBytes: () => closed.reduce((sum, { bytes }) => sum + bytes, size()),
    read,
    readNewestFirst: function* () {
      yield read({ name: formatFileName(getNumber()) });
      for (const file of closed.toReversed()) yield read(file);
    },
    remove: (file) =>
      wrapDiskErrors(join(folder, file.name), async () => {
        await unlink(join(folder, file.name));
        closed.splice(closed.indexOf(file), 1);
        await syncFolder(folder);
      }),
  };
};

const readClosedFile = (folder: string, number: number): Promise<ClosedFile> => {
  const name = formatFileName(number);
  const path = join(folder, name);
  return wrapDiskErrors(path, async () => {
    const stats = await stat(path);
    checkRegularFile(path, stats);
    return { name, bytes: stats.size, lastWrittenAt: stats.mtimeMs };
  });
};

/** Rotates only after a seal of this process: the first append continues the file that was found. */
const createRotatingSink = (files: {
  readonly first: number;
  readonly current: AppendFile;
  readonly createNumberedFile: (number: number, isNew: boolean) => Promise<AppendFile>;
  readonly maxFileBytes: number;
  readonly maxFileAgeMs: number;
  readonly now: () => number;
  readonly readClosed: (number: number) => Promise<ClosedFile>;
  readonly onClosed: (file: ClosedFile) => void;
}) => {
  let { first: number, current } = files;
  let isSealed = false;
  let openedAt = files.now();
  const rotate = async (): Promise<void> => {
    const next = await files.createNumberedFile(number + 1, true);
    const closed = await files.readClosed(number);
    await current.close();
    files.onClosed(closed);
    current = next;
    openedAt = files.now();
    number += 1;
  };
  const isFull = (): boolean =>
    current.size() >= files.maxFileBytes || files.now() - openedAt > files.maxFileAgeMs;
  const sink: Sink = {
    isFull,
    append: async (lines, endsInSeal) => {
      if (isSealed && isFull()) await rotate();
      await current.append(lines);
      isSealed = endsInSeal;
    },
    close: () => current.close(),
  };
  return { sink, size: () => current.size(), getNumber: () => number };
};

/** Newest first. */
const listNumbers = async (folder: string): Promise<readonly number[]> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = await readdir(folder);
  return names
    .flatMap((name) => FILE_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .filter((number) => names.includes(formatFileName(number)))
    .sort((a, b) => b - a);
};

const readEnd = (path: string): Promise<FileEnd> =>
  wrapDiskErrors(path, () => readRegularFile(path, readLastBytes));

const readLastBytes = async (file: FileHandle, { size }: Stats): Promise<FileEnd> => {
  const length = Math.min(size, END_BYTES);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return { bytes: buffer.subarray(0, bytesRead), isWhole: length === size };
};
