import { createHash } from 'node:crypto';

import type { PartialWrite } from './chain.ts';
import type { Findings, Place } from './audit-findings.ts';
import type { InvalidLine } from './record-reader.ts';
import type { FileLine } from './line-splitter.ts';

/** A line that is no record, and why. */
export type UnreadLine = Place & { readonly reason: InvalidLine };

/** More of them than this nobody has left half written: they are faults at once. */
const MAX_KEPT = 1_000;

/**
 * Lines of one file that are no records, until something accounts for them: the next record, when it
 * states that just these bytes were torn; or nothing, and then each is a fault.
 */
export const createUnreadLines = (findings: Findings, report: (line: UnreadLine) => void) => {
  let lines: UnreadLine[] = [];
  let hash = createHash('sha256');
  let bytes = 0;
  let isEnded = true;
  let areTooMany = false;
  const take = () => {
    const taken = { lines, bytes, sha256: hash.digest('hex'), isEnded };
    lines = [];
    hash = createHash('sha256');
    bytes = 0;
    return taken;
  };
  return {
    add: (line: FileLine, unread: UnreadLine): void => {
      if (areTooMany) {
        report(unread);
        return;
      }
      const isFirst = lines.length === 0;
      if (!isFirst) hash.update('\n');
      hash.update(line.bytes);
      bytes += line.bytes.length + (isFirst ? 0 : 1);
      isEnded = line.isEnded;
      lines.push(unread);
      areTooMany = lines.length > MAX_KEPT;
      if (areTooMany) take().lines.forEach(report);
    },
    /** A record follows. */
    account: (partialWrite: PartialWrite | undefined): void => {
      areTooMany = false;
      if (lines.length === 0) return;
      const taken = take();
      const [first] = taken.lines;
      const isPartialWrite =
        partialWrite?.bytes === taken.bytes && partialWrite.sha256 === taken.sha256;
      if (isPartialWrite && first !== undefined) {
        findings.note(
          first,
          'partial_write',
          `${taken.bytes} bytes were written in part when a process was killed`,
        );
      } else taken.lines.forEach(report);
    },
    /** The file ends. One last line without a line break may be on its way yet. */
    end: (): void => {
      if (lines.length === 0) return;
      const taken = take();
      const [first] = taken.lines;
      const isUnfinished = taken.lines.length === 1 && !taken.isEnded;
      if (isUnfinished && first?.reason.code === 'invalid_record') {
        findings.note(
          first,
          'incomplete_line',
          `${taken.bytes} bytes at the end are not a complete record`,
        );
      } else taken.lines.forEach(report);
    },
  };
};
