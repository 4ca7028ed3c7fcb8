import { open, rename } from 'node:fs/promises';

import { wrapDiskErrors } from './disk-error.ts';
import { readRegularFile } from './regular-file.ts';

/** One small text, replaced as a whole. */
export type StateFile = {
  /** Undefined: there is none. @throws AuditError */
  readonly read: () => Promise<string | undefined>;
  /** Survives a crash once it resolves; until then the text before is kept. @throws AuditError */
  readonly write: (text: string) => Promise<void>;
};

/** @param path in a folder that exists; a file beside it holds the next text until it is complete */
export const createStateFile = (path: string): StateFile => {
  const next = `${path}.next`;
  return {
    read: () =>
      wrapDiskErrors(path, async () => {
        try {
          return await readRegularFile(path, (file) => file.readFile('utf8'));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
          throw error;
        }
      }),
    write: (text) =>
      wrapDiskErrors(path, async () => {
        const file = await open(next, 'w', 0o600);
        try {
          await file.writeFile(text);
          await file.datasync();
        } finally {
          await file.close();
        }
        await rename(next, path);
      }),
  };
};
