import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

import { AuditError } from '../../audit/record.ts';
import { asDiskError } from './disk-error.ts';

/** One file that is only ever appended to. */
export type AppendFile = {
  /** Bytes that are kept for good. */
  readonly size: () => number;
  /** All of `text` or, as far as later readers see, nothing. @throws AuditError */
  readonly append: (text: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** `open` of node:fs/promises. */
export type OpenFile = (path: string, flags: number, mode?: number) => Promise<FileHandle>;

const { O_APPEND, O_CREAT, O_RDWR } = constants;
const LINE_BREAK = 0x0a;

/** Opens a file to append to; a new one must be empty. @throws AuditError */
export const openAppendFile = ({
  folder,
  path,
  isNew,
  openFile,
}: {
  readonly folder: string;
  readonly path: string;
  readonly isNew: boolean;
  readonly openFile: OpenFile;
}): Promise<AppendFile> =>
  asDiskError(path, async () => {
    const file = await openFile(path, O_RDWR | O_APPEND | (isNew ? O_CREAT : 0), 0o600);
    try {
      const found = await measure(file);
      if (isNew) checkSize(path, found.size, { least: 0, most: 0 });
      if (isNew) await syncFolder(folder);
      return appendTo(file, path, found);
    } catch (error) {
      await file.close();
      throw error;
    }
  });

/**
 * What a failed append left behind is cut off before the next one. After a failed sync, too: the
 * kernel may have forgotten those bytes while it still shows them.
 */
const appendTo = (file: FileHandle, path: string, found: Found): AppendFile => {
  let { size, isTorn } = found;
  let attempted = 0;
  const append = async (text: string): Promise<void> => {
    checkSize(path, (await file.stat()).size, { least: size, most: size + attempted });
    if (attempted > 0) await file.truncate(size);
    // A line that was left half written ends here, so that the next record has a line of its own.
    const bytes = Buffer.from(isTorn ? `\n${text}` : text);
    attempted = bytes.length;
    await writeAll(file, bytes);
    await file.datasync();
    size += bytes.length;
    attempted = 0;
    isTorn = false;
  };
  return {
    size: () => size,
    append: (text) => asDiskError(path, () => append(text)),
    close: () => asDiskError(path, () => file.close()),
  };
};

type Found = { readonly size: number; readonly isTorn: boolean };

const measure = async (file: FileHandle): Promise<Found> => {
  const { size } = await file.stat();
  if (size === 0) return { size, isTorn: false };
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return { size, isTorn: buffer[0] !== LINE_BREAK };
};

const checkSize = (
  path: string,
  size: number,
  { least, most }: { readonly least: number; readonly most: number },
): void => {
  if (size >= least && size <= most) return;
  const expected = least === most ? `${least}` : `${least} to ${most}`;
  throw new AuditError('other_writer', `${path}: expected ${expected} bytes, got ${size}`);
};

const writeAll = async (file: FileHandle, bytes: Buffer): Promise<void> => {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, null);
    written += bytesWritten;
  }
};

/** A new file is there after a crash only once its folder is synced. */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
