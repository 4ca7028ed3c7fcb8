import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { run } from './sources.ts';

export const toSha256 = (bytes: Buffer | string): string =>
  createHash('sha256').update(bytes).digest('hex');

/**
 * Packs the content of a folder as tar. The same content makes the same bytes: names are sorted, owners
 * are root, and every file has one time.
 *
 * @param epochSeconds time of every file, in seconds since the epoch
 * @param names what to pack, in the folder; default: the folder itself, as `.`. Helm reads no path with `./`
 */
export const packFolder = (
  folder: string,
  epochSeconds: number,
  names: readonly string[] = ['.'],
): Buffer => {
  const work = mkdtempSync(join(tmpdir(), 'valetkey-pack-'));
  const archive = join(work, 'archive.tar');
  try {
    run('tar', [
      ...['--format=gnu', '--sort=name', `--mtime=@${epochSeconds}`],
      ...['--owner=0', '--group=0', '--numeric-owner'],
      ...['-C', folder, '-cf', archive, ...names],
    ]);
    return readFileSync(archive);
  } finally {
    rmSync(work, { recursive: true });
  }
};

/** Compresses without a time or name in the header. */
export const compress = (bytes: Buffer): Buffer => gzipSync(bytes, { level: 9 });
