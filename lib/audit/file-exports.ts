import { createHash } from 'node:crypto';

import { readReplica } from './chain.ts';
import type { AuditFile, ClosedFile } from './file-verification.ts';
import { splitLines } from './line-splitter.ts';
import { readLine } from './record-reader.ts';

/** What an object in the bucket must be. */
export type ExportedFile = {
  /** `<replica>/<chain>/<file name>`. */
  readonly name: string;
  /** SHA-256, hex, of the content. */
  readonly sha256: string;
  readonly bytes: number;
};

/** The closed files of a replica that are copied to a bucket. In memory: the bucket has the rest. */
export type FileExports = {
  /** The closed files that are not in the bucket as far as this process knows, the oldest first. */
  readonly listPending: () => readonly ClosedFile[];
  readonly read: (file: ClosedFile) => AuditFile;
  /** The bucket has exactly this content. */
  readonly markExported: (file: ClosedFile, exported: Pick<ExportedFile, 'sha256'>) => void;
  /** SHA-256, hex, of the exported content; undefined: not exported yet. */
  readonly findSha256: (file: ClosedFile) => string | undefined;
};

export const createFileExports = ({
  listClosed,
  read,
}: {
  readonly listClosed: () => readonly ClosedFile[];
  readonly read: (file: ClosedFile) => AuditFile;
}): FileExports => {
  const exported = new WeakMap<ClosedFile, string>();
  return {
    listPending: () => listClosed().filter((file) => !exported.has(file)),
    read,
    markExported: (file, { sha256 }) => void exported.set(file, sha256),
    findSha256: (file) => exported.get(file),
  };
};

/**
 * Reads how the file is exported. Its name contains the chain of its first record, because file names
 * start again on a new volume, and an object is never replaced.
 *
 * @returns undefined if its first record is not of this replica, or there is none
 * @throws whatever reading throws
 */
export const describeExport = async (
  file: AuditFile,
  replica: string,
): Promise<ExportedFile | undefined> => {
  const { file: hashed, computeSha256, countBytes } = hashFile(file);
  let chain: string | undefined;
  // Every line is read, so that the hash covers them all.
  for await (const { bytes } of splitLines(hashed.chunks)) {
    chain ??= readChain(bytes.toString('utf8'));
  }
  if (chain === undefined || readReplica(chain) !== replica || !CHAIN.test(chain)) return undefined;
  return {
    name: `${replica}/${chain}/${file.name}`,
    sha256: computeSha256(),
    bytes: countBytes(),
  };
};

/** As {@link readReplica} reads it; nothing that could leave the replica's folder. */
const CHAIN = /^[a-z0-9][\w.-]{0,400}$/;

const readChain = (line: string): string | undefined => {
  const reading = readLine(line);
  return reading.ok ? reading.record.position.chain : undefined;
};

/** The same file, whose content is hashed while it is read. */
export const hashFile = ({ name, chunks }: AuditFile) => {
  const hash = createHash('sha256');
  let bytes = 0;
  const file: AuditFile = {
    name,
    chunks: (async function* () {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    })(),
  };
  return { file, computeSha256: () => hash.digest('hex'), countBytes: () => bytes };
};
