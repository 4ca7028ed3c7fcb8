import { randomBytes } from 'node:crypto';
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** 256 random bits, in characters that every SDK sends unchanged as a header. */
export const newLoopbackToken = (): string => randomBytes(32).toString('base64url');

/** Puts a loopback token where its consumer reads it: whole or not at all, readable, ours to write. */
export const publishToken = (path: string, token: string): void => {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, token, { mode: 0o644, flag: 'wx' });
  // The umask may have taken from the mode.
  chmodSync(temporary, 0o644);
  renameSync(temporary, path);
};

/** Takes a token back: with the listener gone, whoever takes its port must not be sent one. */
export const withdrawToken = (path: string): void => rmSync(path, { force: true });
