import type { Position } from './chain.ts';
import type { AuditFile } from './file-verification.ts';
import { splitLines } from './line-splitter.ts';
import { readLine } from './record-reader.ts';
import { isSealed, type PublicKeys } from './sealing-keys.ts';

/** What sealed records state that this replica removed. */
export type Removals = {
  readonly add: (positions: readonly Position[]) => void;
  /** Whether a sealed record states the removal of the record at this position. */
  readonly isStated: (position: Pick<Position, 'chain' | 'sequence'>) => Promise<boolean>;
};

/**
 * Searches the statements of earlier processes in the files: at most once each, and only until the asked
 * one is found. A process states a removal in its newest file, so the newest file is searched first.
 */
export const createRemovals = (
  readNewestFirst: () => Iterable<AuditFile>,
  publicKeys: PublicKeys,
): Removals => {
  const removed = new Map<string, number>();
  let unread: Iterator<AuditFile> | undefined;
  const add = (positions: readonly Position[]): void => {
    for (const { chain, sequence } of positions)
      removed.set(chain, Math.max(sequence, removed.get(chain) ?? -1));
  };
  return {
    add,
    isStated: async ({ chain, sequence }) => {
      unread ??= readNewestFirst()[Symbol.iterator]();
      while (sequence > (removed.get(chain) ?? -1)) {
        const next = unread.next();
        if (next.done === true) return false;
        add(await readStatements(next.value, publicKeys));
      }
      return true;
    },
  };
};

/** Only lines that contain it are parsed: a file has thousands of others. */
const KIND = '"kind":"chain.pruned"';

const readStatements = async (
  { chunks }: AuditFile,
  publicKeys: PublicKeys,
): Promise<readonly Position[]> => {
  const found: Position[] = [];
  for await (const { bytes } of splitLines(chunks)) {
    if (!bytes.includes(KIND)) continue;
    const reading = readLine(bytes.toString('utf8'));
    if (!reading.ok) continue;
    const { link, sealedText } = reading.record;
    const { seal, pruned = [] } = link;
    if (seal !== undefined && isSealed(sealedText(), seal, publicKeys) === true) {
      found.push(...pruned);
    }
  }
  return found;
};
