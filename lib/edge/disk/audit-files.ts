import { mkdir, open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import type { Sink } from '../../audit/sinks.ts';
import { END_BYTES, type FileEnd } from '../../audit/chain-resume.ts';
import { createAppendFile, type AppendFile, type OpenFile } from './append-file.ts';
import { wrapDiskErrors } from './disk-error.ts';

export type AuditFiles = {
  readonly sink: Sink;
  /** Ends of the two newest files at the start, the newest first. */
  readonly ends: readonly FileEnd[];
};

/** Digits of the file number, so that names sort in order. */
const DIGITS = 8;
const FILE_NAME = /^audit-(\d{8})\.jsonl$/;

const formatFileName = (number: number): string =>
  `audit-${String(number).padStart(DIGITS, '0')}.jsonl`;

/**
 * Opens the audit files of one replica: `audit-00000001.jsonl` and so on in `folder`, which is created if
 * missing. Files are append-only. Every append is synced (`fdatasync`) before it resolves. At
 * `maxFileBytes` the next file starts after a sealed record, so each file but the newest ends in a seal.
 *
 * @param settings.fsOpen replaced in tests that simulate a failing disk
 * @throws AuditError `disk_full` or `disk_failed`
 */
export const createAuditFiles = async ({
  folder,
  maxFileBytes,
  fsOpen = open,
}: {
  readonly folder: string;
  readonly maxFileBytes: number;
  readonly fsOpen?: OpenFile;
}): Promise<AuditFiles> => {
  const numbers = await wrapDiskErrors(folder, () => listNumbers(folder));
  const buildPath = (number: number): string => join(folder, formatFileName(number));
  const newest = numbers.slice(0, 2);
  const ends = await Promise.all(newest.map((number) => readEnd(buildPath(number))));
  const createNumberedFile = (number: number, isNew: boolean): Promise<AppendFile> =>
    createAppendFile({ folder, path: buildPath(number), isNew, fsOpen });
  const first = numbers[0] ?? 1;
  const current = await createNumberedFile(first, numbers.length === 0);
  return { ends, sink: createRotatingSink({ first, current, createNumberedFile, maxFileBytes }) };
};

/** Rotates only after a seal of this process: the first append continues the file that was found. */
const createRotatingSink = (files: {
  readonly first: number;
  readonly current: AppendFile;
  readonly createNumberedFile: (number: number, isNew: boolean) => Promise<AppendFile>;
  readonly maxFileBytes: number;
}): Sink => {
  let { first: number, current } = files;
  let isSealed = false;
  const rotate = async (): Promise<void> => {
    const next = await files.createNumberedFile(number + 1, true);
    await current.close();
    current = next;
    number += 1;
  };
  const isFull = (): boolean => current.size() >= files.maxFileBytes;
  return {
    isFull,
    append: async (lines, endsInSeal) => {
      if (isSealed && isFull()) await rotate();
      await current.append(lines);
      isSealed = endsInSeal;
    },
    close: () => current.close(),
  };
};

/** Newest first. */
const listNumbers = async (folder: string): Promise<readonly number[]> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = await readdir(folder);
  return names
    .flatMap((name) => FILE_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
};

const readEnd = (path: string): Promise<FileEnd> =>
  wrapDiskErrors(path, async () => {
    const file = await open(path, 'r');
    try {
      return await readLastBytes(file);
    } finally {
      await file.close();
    }
  });

const readLastBytes = async (file: FileHandle): Promise<FileEnd> => {
  const { size } = await file.stat();
  const length = Math.min(size, END_BYTES);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return { bytes: buffer.subarray(0, bytesRead), isWhole: length === size };
};
