import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';

/** A seed cannot be read or created; the message names the file. */
export class SeedFileError extends Error {
  override readonly name = 'SeedFileError';
}

const SEED_BYTES = 32;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/**
 * Reads a consumer's seed, or creates it at the first start in a pod: local keys of tasks without params
 * remain valid after a restart of the sidecar. Only the sidecar's user can read the file.
 *
 * @throws SeedFileError
 */
export const readOrCreateSeed = (path: string): Buffer => {
  try {
    return readSeed(path) ?? createSeed(path);
  } catch (cause) {
    if (cause instanceof SeedFileError) throw cause;
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new SeedFileError(`${path}: cannot read or create the seed of local keys (${code})`, {
      cause,
    });
  }
};

/** @returns undefined if there is no file yet */
const readSeed = (path: string): Buffer | undefined => {
  const file = openExisting(path);
  if (file === undefined) return undefined;
  try {
    const stat = fstatSync(file);
    const isOwn = stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
    if (!stat.isFile() || !isOwn || stat.size !== SEED_BYTES) {
      throw new SeedFileError(
        `${path}: expected a file of ${SEED_BYTES} bytes that only the sidecar's user can read, got ` +
          `${stat.size} bytes, mode ${(stat.mode & 0o777).toString(8)}, user ${stat.uid}`,
      );
    }
    const seed = Buffer.alloc(SEED_BYTES);
    readSync(file, seed);
    return seed;
  } finally {
    closeSync(file);
  }
};

const openExisting = (path: string): number | undefined => {
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** A start that is interrupted leaves no incomplete seed behind. */
const createSeed = (path: string): Buffer => {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  const file = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  const seed = randomBytes(SEED_BYTES);
  try {
    writeSync(file, seed);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  return seed;
};
