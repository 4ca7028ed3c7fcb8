import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * Lists every file below a folder. Symbolic links are not followed: their targets are found by their own
 * paths.
 */
export const listFilesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ignoreMissing(() => listFilesBelow(path)) ?? [];
    return entry.isFile() ? [path] : [];
  });

/** Returns undefined if a file or folder was removed before `read` could read it. */
export const ignoreMissing = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Returns the last lines of a log file, or why it cannot be read. */
export const readLastLines = (file: string, count = 15): string => {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch (error) {
    return `(${basename(file)} cannot be read: ${String(error)})`;
  }
};
