import { constants, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

import { AuditError } from '../../audit/audit-event.ts';

/** Without `O_NONBLOCK`, opening a FIFO waits for a writer. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** @throws AuditError unless it is a regular file: a FIFO or a device could block, and keeps no records */
export const checkRegularFile = (path: string, stats: Stats): void => {
  if (stats.isFile()) return;
  throw new AuditError(
    'disk_failed',
    `${path}: expected a regular file, got ${describeKind(stats)}`,
  );
};

const describeKind = (stats: Stats): string => {
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isDirectory()) return 'a directory';
  return stats.isSocket() ? 'a socket' : 'a device';
};

/** Opens a regular file for reading, and closes it at the end. @throws AuditError */
export const readRegularFile = async <T>(
  path: string,
  read: (file: FileHandle, stats: Stats) => Promise<T>,
): Promise<T> => {
  const file = await open(path, READ_FLAGS);
  try {
    const stats = await file.stat();
    checkRegularFile(path, stats);
    return await read(file, stats);
  } finally {
    await file.close();
  }
};

/** The content of a regular file, which is opened when it is read. @throws AuditError when it is read */
export const streamRegularFile = async function* (path: string): AsyncGenerator<Uint8Array, void> {
  const file = await open(path, READ_FLAGS);
  try {
    checkRegularFile(path, await file.stat());
    yield* file.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>;
  } finally {
    await file.close();
  }
};
