import { createHash } from 'node:crypto';

import type { PartialWrite } from './chain.ts';
import type { Findings, Place } from './audit-findings.ts';
import type { InvalidLine } from './record-reader.ts';
import type { FileLine } from './line-splitter.ts';

/** A line that is not a record, and the reason. */
export type UnreadLine = Place & { readonly reason: InvalidLine };

/** A partial write has fewer lines. Further lines are reported at once. */
const MAX_KEPT = 1_000;

/**
 * Collects the non-record lines of one file until the next record. If that record states exactly these
 * bytes as a partial write, they are a note; otherwise each line is a fault.
 */
export const createUnreadLines = (findings: Findings, report: (line: UnreadLine) => void) => {
  let lines: UnreadLine[] = [];
  let hash = createHash('sha256');
  let bytes = 0;
  let isEnded = true;
  let isOverLimit = false;
  const takeLines = () => {
    const taken = { lines, bytes, sha256: hash.digest('hex'), isEnded };
    lines = [];
    hash = createHash('sha256');
    bytes = 0;
    return taken;
  };
  return {
    add: (line: FileLine, unread: UnreadLine): void => {
      if (isOverLimit) {
        report(unread);
        return;
      }
      const isFirst = lines.length === 0;
      if (!isFirst) hash.update('\n');
      hash.update(line.bytes);
      bytes += line.bytes.length + (isFirst ? 0 : 1);
      isEnded = line.isEnded;
      lines.push(unread);
      isOverLimit = lines.length > MAX_KEPT;
      if (isOverLimit) takeLines().lines.forEach(report);
    },
    /** Call it with the partial write of the next record. */
    account: (partialWrite: PartialWrite | undefined): void => {
      isOverLimit = false;
      if (lines.length === 0) return;
      const taken = takeLines();
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
    /** Call it at the end of the file. A last line without a line break may still be in progress. */
    end: (): void => {
      if (lines.length === 0) return;
      const taken = takeLines();
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
