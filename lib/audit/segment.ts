import type { Position } from './chain.ts';
import { plain, type AuditFaultCode, type Findings, type Place } from './findings.ts';

/** Records of one chain in one file, in the order in which they stand there. */
export type Segment = {
  readonly first: Spot;
  last: Spot;
  records: number;
  /** Records before the first seal, and after the last one (the same where there is none). */
  unsealedBefore: number;
  unsealedAfter: number;
  sealedThrough: Position | undefined;
};

/** A record's place in a chain and in a file. */
export type Spot = Place & { readonly position: Position; readonly previous: string };

/** Reports where `next` does not follow `last`; answers whether it stands after it at all. */
export const follow = (last: Spot, next: Spot, findings: Findings): boolean => {
  const wanted = last.position.sequence + 1;
  const { chain, sequence } = next.position;
  const said = (code: AuditFaultCode, expected: string, got: string): void =>
    findings.fault(next, code, { expected, got });
  if (sequence < wanted) {
    const known = `${last.file}:${last.line}`;
    said('out_of_order', `record ${wanted} of ${plain(chain)}, after ${known}`, `${sequence}`);
  } else if (sequence > wanted) {
    said('hole', `record ${wanted} of ${plain(chain)}`, `${sequence}`);
  } else if (next.previous !== last.position.hash) {
    said('broken_link', `previous ${last.position.hash}`, plain(next.previous));
  }
  return sequence >= wanted;
};
