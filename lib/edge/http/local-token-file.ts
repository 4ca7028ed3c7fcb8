import { randomBytes } from 'node:crypto';
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Creates a token of 256 random bits in characters that every SDK sends unchanged in a header. */
export const newLoopbackToken = (): string => randomBytes(32).toString('base64url');

/** Writes a consumer's loopback token atomically; consumers may read it, only the sidecar may write. */
export const publishToken = (path: string, token: string): void => {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, token, { mode: 0o644, flag: 'wx' });
  // The umask may have reduced the mode.
  chmodSync(temporary, 0o644);
  renameSync(temporary, path);
};

/** Removes a token file, so that no consumer sends a token to another process that binds the port. */
export const withdrawToken = (path: string): void => rmSync(path, { force: true });
