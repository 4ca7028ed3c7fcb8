import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

import { AuditError } from '../../audit/audit-event.ts';
import { wrapDiskErrors } from './disk-error.ts';
import { checkRegularFile } from './regular-file.ts';

/** An append-only file. */
export type AppendFile = {
  /** Bytes that are stored durably. */
  readonly size: () => number;
  /** Appends all of `text` or, for later readers, nothing. @throws AuditError */
  readonly append: (text: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** `open` of node:fs/promises. */
export type OpenFile = (path: string, flags: number, mode?: number) => Promise<FileHandle>;

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDWR } = constants;
const LINE_BREAK = 0x0a;

/** Opens a file for appending; a new file must be empty. @throws AuditError */
export const createAppendFile = ({
  folder,
  path,
  isNew,
  fsOpen,
}: {
  readonly folder: string;
  readonly path: string;
  readonly isNew: boolean;
  readonly fsOpen: OpenFile;
}): Promise<AppendFile> =>
  wrapDiskErrors(path, async () => {
    const flags = O_RDWR | O_APPEND | O_NONBLOCK | (isNew ? O_CREAT : 0);
    const file = await fsOpen(path, flags, 0o600);
    try {
      const found = await measureFile(path, file);
      if (isNew) checkSize(path, found.size, { minBytes: 0, maxBytes: 0 });
      if (isNew) await syncFolder(folder);
      return buildAppendFile(file, path, found);
    } catch (error) {
      await file.close();
      throw error;
    }
  });

/**
 * Bytes of a failed append are truncated before the next one, also after a failed sync: the kernel may
 * have dropped bytes that it still returns to readers.
 */
const buildAppendFile = (file: FileHandle, path: string, found: InitialState): AppendFile => {
  let { size, hasPartialWrite } = found;
  let attempted = 0;
  const append = async (text: string): Promise<void> => {
    checkSize(path, (await file.stat()).size, { minBytes: size, maxBytes: size + attempted });
    if (attempted > 0) await file.truncate(size);
    // Ends an incomplete line, so that the next record starts on a new line.
    const bytes = Buffer.from(hasPartialWrite ? `\n${text}` : text);
    attempted = bytes.length;
    await writeAll(file, bytes);
    await file.datasync();
    size += bytes.length;
    attempted = 0;
    hasPartialWrite = false;
  };
  return {
    size: () => size,
    append: (text) => wrapDiskErrors(path, () => append(text)),
    close: () => wrapDiskErrors(path, () => file.close()),
  };
};

type InitialState = { readonly size: number; readonly hasPartialWrite: boolean };

const measureFile = async (path: string, file: FileHandle): Promise<InitialState> => {
  const stats = await file.stat();
  checkRegularFile(path, stats);
  const { size } = stats;
  if (size === 0) return { size, hasPartialWrite: false };
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return { size, hasPartialWrite: buffer[0] !== LINE_BREAK };
};

const checkSize = (
  path: string,
  size: number,
  { minBytes, maxBytes }: { readonly minBytes: number; readonly maxBytes: number },
): void => {
  if (size >= minBytes && size <= maxBytes) return;
  const expected = minBytes === maxBytes ? `${minBytes}` : `${minBytes} to ${maxBytes}`;
  throw new AuditError('other_writer', `${path}: expected ${expected} bytes, got ${size}`);
};

const writeAll = async (file: FileHandle, bytes: Buffer): Promise<void> => {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, null);
    written += bytesWritten;
  }
};

/** The creation or removal of a file survives a crash only after its folder is synced. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
