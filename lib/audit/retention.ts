import type { Clock } from '../contract/clock.ts';
import { AuditError } from './audit-event.ts';
import type { Position } from './chain.ts';
import type { AuditFile } from './file-verification.ts';
import { formatAuditFault } from './audit-findings.ts';
import type { Head } from './heads.ts';
import type { PublicKeys } from './sealing-keys.ts';
import { verifyChain } from './verify.ts';

/** A file of records that is no longer written to. */
export type ClosedFile = {
  readonly name: string;
  readonly bytes: number;
  /** Of the last record, in wall-clock milliseconds since the epoch. */
  readonly lastWrittenAt: number;
};

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
  /** The head that this process published last. */
  readonly published: () => Head | undefined;
  /** Writes the record of the removal to every sink. */
  readonly recordRemoval: (positions: readonly Position[]) => Promise<void>;
  readonly publicKeys: PublicKeys;
  readonly clock: Pick<Clock, 'now'>;
};

/**
 * Creates the step that removes the oldest file, if it is due. The order makes each crash harmless: the
 * file is verified; the published head covers it; a sealed record, on every sink, states the last record
 * that will be removed; only then the file is removed. A file that was modified is evidence, and is kept.
 *
 * @returns whether a file was removed. It throws AuditError if the due file cannot be removed
 */
export const createPruner =
  (options: RetentionOptions, deps: RetentionDeps): (() => Promise<boolean>) =>
  async () => {
    const [oldest] = deps.listClosed();
    if (oldest === undefined || !isDue(oldest, options, deps)) return false;
    const positions = await readEnd(oldest, deps);
    const head = deps.published();
    if (!positions.every((position) => isCovered(position, head))) return false;
    await deps.recordRemoval(positions);
    await deps.remove(oldest);
    return true;
  };

const isDue = (
  { lastWrittenAt }: ClosedFile,
  { maxBytes = Infinity, retainMs = Infinity }: RetentionOptions,
  { usedBytes, clock }: RetentionDeps,
): boolean => usedBytes() > maxBytes || clock.now() - lastWrittenAt > retainMs;

/** A head of another chain is of a later one: this process continues or replaces what it found. */
const isCovered = ({ chain, sequence }: Position, head: Head | undefined): boolean =>
  head !== undefined && (head.chain !== chain || head.sequence >= sequence);

/** The last record of each chain in the file. Each record is verified, so that none is skipped. */
const readEnd = async (
  file: ClosedFile,
  { read, publicKeys }: RetentionDeps,
): Promise<readonly Position[]> => {
  const { faults, chains } = await verifyChain([read(file)], {
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
  return chains.map(({ chain, last, lastHash }) => ({ chain, sequence: last, hash: lastHash }));
};

const newKeptError = (reason: string): AuditError =>
  new AuditError('disk_failed', `audit file kept, because it does not verify: ${reason}`);
