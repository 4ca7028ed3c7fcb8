import {
  formatAuditFault,
  formatForeignText,
  formatUnverified,
} from '../../lib/audit/audit-findings.ts';
import type { CallVerification } from '../../lib/audit/call-verification.ts';
import type { AuditReport } from '../../lib/audit/verify.ts';
import type { CommandResult } from './command-result.ts';
import { renderTable } from './table.ts';

/** What the verification of audit files, or of journals, adds to the result. */
export type PartialResult = Pick<
  CallVerification,
  'faultCount' | 'faults' | 'notes' | 'unverified'
> & {
  readonly table: readonly string[];
  /** What cannot be found, whatever the files have. */
  readonly limits: readonly string[];
  readonly json: object;
};

/** @param heads number of published heads that the chains were compared with */
export const toRecordsResult = (report: AuditReport, heads: number): PartialResult => {
  const rows = report.chains.map(({ chain, records, first, last, sealedThrough }) => [
    chain,
    `${records}`,
    `${first}`,
    `${last}`,
    `${sealedThrough ?? 'none'}`,
  ]);
  return {
    ...report,
    table: renderTable(['CHAIN', 'RECORDS', 'FIRST', 'LAST', 'SEALED THROUGH'], rows),
    limits: heads === 0 ? ['No published heads: truncation is not detected.'] : [],
    json: { chains: report.chains, heads },
  };
};

/** The part of a result that the journals of sidecars add. */
export const toCallsResult = (calls: CallVerification): PartialResult => {
  const rows = calls.runs.map(({ run, lines, first, last, recordedThrough }) => [
    formatForeignText(run),
    `${lines}`,
    `${first}`,
    `${last}`,
    `${recordedThrough ?? 'none'}`,
  ]);
  return {
    ...calls,
    table: renderTable(['RUN', 'LINES', 'FIRST', 'LAST', 'RECORDED THROUGH'], rows),
    limits: [],
    json: { runs: calls.runs },
  };
};

/** Result of `audit verify`: a range that nothing proves is no problem, but not decided. */
export const buildVerifyResult = (results: readonly PartialResult[]): CommandResult => {
  const faultCount = results.reduce((sum, each) => sum + each.faultCount, 0);
  const [faults, notes, unverified] = [
    results.flatMap((each) => each.faults),
    results.flatMap((each) => each.notes),
    results.flatMap((each) => each.unverified),
  ];
  const isWhole = faultCount === 0;
  const unlisted = faultCount - faults.length;
  return {
    isHealthy: isWhole,
    isDecided: unverified.length === 0,
    lines: [
      ...results.flatMap(({ table }) => table),
      ...faults.map(formatAuditFault),
      ...(unlisted > 0 ? [`and ${unlisted} more problems`] : []),
      ...unverified.map(formatUnverified),
      ...notes.map(({ file, line, code, text }) => `${file}:${line}: note: ${code}: ${text}`),
      ...results.flatMap(({ limits }) => limits),
      isWhole ? formatWhole(unverified.length) : `${formatCount(faultCount, 'problem')} found.`,
    ],
    json: Object.assign(
      { isWhole, faultCount, faults, notes, unverified },
      ...results.map(({ json }) => json),
    ) as object,
  };
};

const formatWhole = (unverified: number): string =>
  unverified === 0
    ? 'No problems found.'
    : `No problems found; ${formatCount(unverified, 'range')} cannot be verified.`;

const formatCount = (count: number, noun: string): string =>
  `${count} ${count === 1 ? noun : `${noun}s`}`;
