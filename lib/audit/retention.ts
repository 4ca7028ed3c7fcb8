import type { Clock } from '../contract/clock.ts';
import { AuditError } from './audit-event.ts';
import { readReplica, type Position } from './chain.ts';
import { hashFile, type FileExports } from './file-exports.ts';
import type { AuditFile, ClosedFile } from './file-verification.ts';
import { formatAuditFault } from './audit-findings.ts';
import type { Head } from './heads.ts';
import { createRemovals, type Removals } from './removals.ts';
import type { PublicKeys } from './sealing-keys.ts';
import { verifyChain, type ChainReport } from './verify.ts';

export type RetentionOptions = {
  /** Total size of the files at which the oldest one is removed; absent: no limit. */
  readonly maxBytes?: number;
  /** Age at which a file is removed; absent: no limit. */
  readonly retainMs?: number;
};

export type RetentionDeps = {
  /** The closed files of this replica, the oldest first. */
  readonly listClosed: () => readonly ClosedFile[];
  /** Size of all files. */
  readonly usedBytes: () => number;
  readonly read: (file: ClosedFile) => AuditFile;
  readonly remove: (file: ClosedFile) => Promise<void>;
  /** All files, each opened when it is reached. */
  readonly readNewestFirst: () => Iterable<AuditFile>;
  /** The head that this process published last. */
  readonly published: () => Head | undefined;
  /** Writes the record of the removal to every sink. */
  readonly recordRemoval: (positions: readonly Position[]) => Promise<void>;
  /** Absent: files are removed without being exported. */
  readonly exports?: Pick<FileExports, 'findSha256'>;
  readonly publicKeys: PublicKeys;
  readonly clock: Pick<Clock, 'now'>;
};

/**
 * Creates the step that removes the oldest file, if it is due. The order makes each crash harmless: the
 * file is verified; the published head covers it; a sealed record, on every sink, states the last record
 * that will be removed; only then the file is removed. With an export, exactly these bytes were exported
 * before. A file that was modified, or before which records
 * are missing, is evidence, and is kept.
 *
 * @returns whether a file was removed. It throws AuditError if the due file cannot be removed
 */
export const createPruner = (
  options: RetentionOptions,
  deps: RetentionDeps,
): (() => Promise<boolean>) => {
  const removals = createRemovals(deps.readNewestFirst, deps.publicKeys);
  const lastRecordAt = new Map<string, number>();
  return async () => {
    const [oldest] = deps.listClosed();
    if (oldest === undefined) return false;
    const { name } = oldest;
    // Any user of the volume can change the time that the file system states.
    const isDueAt = (at: number): boolean => isDue(lastRecordAt.get(name) ?? at, options, deps);
    if (!isDueAt(oldest.lastWrittenAt) || !isExportDone(oldest, deps)) return false;
    const head = deps.published();
    if (head === undefined) return false;
    const chains = await readChains(oldest, deps);
    await checkStarts(name, chains, { head, removals });
    lastRecordAt.set(name, chains.at(-1)?.lastAt ?? 0);
    if (!isDueAt(oldest.lastWrittenAt) || !chains.every((chain) => isCovered(chain, head)))
      return false;
    const positions = chains.map(toPosition);
    await deps.recordRemoval(positions);
    removals.add(positions);
    await deps.remove(oldest);
    return true;
  };
};

const isExportDone = (file: ClosedFile, { exports }: RetentionDeps): boolean =>
  exports === undefined || exports.findSha256(file) !== undefined;

const toPosition = ({ chain, last, lastHash }: ChainReport): Position => ({
  chain,
  sequence: last,
  hash: lastHash,
});

const isDue = (
  lastWrittenAt: number,
  { maxBytes = Infinity, retainMs = Infinity }: RetentionOptions,
  { usedBytes, clock }: RetentionDeps,
): boolean => usedBytes() > maxBytes || clock.now() - lastWrittenAt > retainMs;

/** A head of another chain is of a later one: this process continues or replaces what it found. */
const isCovered = ({ chain, last }: ChainReport, head: Head): boolean =>
  head.chain !== chain || head.sequence >= last;

/**
 * Nothing is removed after records that are missing: the statement would account for them, too. A file of
 * another replica was copied here.
 */
const checkStarts = async (
  name: string,
  chains: readonly ChainReport[],
  { head, removals }: { readonly head: Head; readonly removals: Removals },
): Promise<void> => {
  for (const { chain, first } of chains) {
    const [replica, expected] = [readReplica(chain), readReplica(head.chain)];
    if (replica !== expected) {
      throw newKeptError(`${name}: expected records of ${expected}, got ${replica}`);
    }
    if (first > 0 && !(await removals.isStated({ chain, sequence: first - 1 }))) {
      const wanted = `record 0 of ${chain}, or a record of the removal of what was before ${first}`;
      throw newKeptError(`${name}: expected ${wanted}, got neither`);
    }
  }
};

/** Verifies the file; the last record of each of its chains is the end of what will be removed. */
const readChains = async (
  file: ClosedFile,
  { read, exports, publicKeys }: RetentionDeps,
): Promise<readonly ChainReport[]> => {
  const hashed = exports && hashFile(read(file));
  const { faults, chains } = await verifyChain([hashed?.file ?? read(file)], {
    publicKeys,
    isMissingStartAllowed: true,
    ignoresReferences: true,
  });
  const [fault] = faults;
  if (fault !== undefined) throw newKeptError(formatAuditFault(fault));
  const newest = chains.at(-1);
  if (newest === undefined || newest.sealedThrough !== newest.last) {
    throw newKeptError(`${file.name}: expected a seal on the last record, got none`);
  }
  if (hashed?.computeSha256() !== exports?.findSha256(file)) {
    throw newKeptError(`${file.name}: expected the bytes that were exported, got others`);
  }
  return chains;
};

const newKeptError = (reason: string): AuditError =>
  new AuditError('disk_failed', `audit file kept, because it does not verify: ${reason}`);
