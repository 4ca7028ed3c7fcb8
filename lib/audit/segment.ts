import type { Position } from './chain.ts';
import type { HashIndex } from './hash-index.ts';
import {
  formatForeignText,
  type AuditFaultCode,
  type Findings,
  type Place,
} from './audit-findings.ts';

/** Records of one chain in one file, in file order. */
export type Segment = {
  readonly first: RecordLocation;
  last: RecordLocation;
  records: number;
  /** Records before the first seal and after the last seal; equal without any seal. */
  unsealedBefore: number;
  unsealedAfter: number;
  sealedThrough: Position | undefined;
  readonly hashes: HashIndex;
  /** Whether a log repeats some of these records. */
  hasRepeats: boolean;
};

/** Position of a record in a chain and in a file. */
export type RecordLocation = Place & {
  readonly position: Position;
  readonly previous: string;
  /** The time that the record states, in wall-clock milliseconds since the epoch; 0: none. */
  readonly at: number;
};

/** Reports when `next` does not follow `last`. Returns whether its sequence is higher. */
export const checkContinuity = (
  last: RecordLocation,
  next: RecordLocation,
  findings: Findings,
): boolean => {
  const wanted = last.position.sequence + 1;
  const { chain, sequence } = next.position;
  const addFault = (code: AuditFaultCode, expected: string, got: string): void =>
    findings.fault(next, code, { expected, got });
  if (sequence < wanted) {
    const known = `${last.file}:${last.line}`;
    addFault(
      'out_of_order',
      `record ${wanted} of ${formatForeignText(chain)}, after ${known}`,
      `${sequence}`,
    );
  } else if (sequence > wanted) {
    addFault('gap', `record ${wanted} of ${formatForeignText(chain)}`, `${sequence}`);
  } else if (next.previous !== last.position.hash) {
    addFault('broken_link', `previous ${last.position.hash}`, formatForeignText(next.previous));
  }
  return sequence >= wanted;
};
