import { formatValue } from '../schema/field-error.ts';

/** The faults that a verification reports, and what each means. */
export const AUDIT_FAULTS = {
  invalid_record: 'The line is not a record, and no later record accounts for it.',
  not_canonical: 'The line is a record, but not in canonical form.',
  modified: 'The content of the record does not match its own hash.',
  gap: 'Records are missing before this one.',
  out_of_order: 'The record is repeated, or comes too late.',
  broken_link: 'The record before it was replaced by another.',
  missing_start:
    'The first record present does not start the chain, or a later record claims to start it.',
  invalid_signature: 'The signature was not made by the key that it names.',
  unknown_key: 'The seal names a key that you did not provide.',
  unsealed: 'Too many records have no seal, or a record about the chain itself has none.',
  missing_chain: 'The cluster, or a later chain, refers to a chain without any record.',
  truncated: 'The chain ends before a record that the cluster, or a later chain, refers to.',
  fork: 'The chain has a different record where the cluster, or a later chain, refers to one.',
  call_invalid: 'The line begins like a line of a journal, but is not one.',
  call_modified: 'The content of the line does not match its own hash.',
  call_gap: 'Lines of the run are missing before this one.',
  call_out_of_order: 'The line comes too late, or replaces another.',
  call_broken_link: 'The line before it was replaced by another.',
  call_missing_start: 'The first lines of the run are missing.',
  call_missing: 'A record states calls of a run of which there is no line.',
  call_truncated: 'The lines of the run end before one that a record states.',
  call_fork: 'The run has a different line where a record, or another log, has one.',
} as const;

export type AuditFaultCode = keyof typeof AUDIT_FAULTS;

/** Findings that are not faults but worth knowing. */
export const AUDIT_NOTES = {
  partial_write:
    'A process was killed while it was writing; the next record states exactly these bytes.',
  incomplete_line:
    'The file ends in an incomplete line: it is being written, or a killed process left it.',
  head_too_old:
    'The cluster, or a later chain, refers to a record that is older than the files, so it is not compared.',
  pruned: 'The authority removed the oldest records, as a sealed record states.',
  repeated_records: 'The file has the same records as another file, or a log has records twice.',
  missing_start_allowed: 'The oldest files are absent, which the options allow.',
  call_repeated: 'A log has lines twice, or two logs have the same lines.',
  call_missing_allowed:
    'First lines of a run, or all of them, are absent, which the options allow.',
  call_without_run:
    'Requests that were refused before their run was known have a chain, but no record states them.',
} as const;

/** What no verification can decide: an interruption gave any writer of the volume an opportunity. */
export const AUDIT_UNVERIFIED = {
  unsealed_before_restart:
    'A restart found records without a seal. They could have been replaced, and later ones removed.',
  open_before_restart:
    'A restart found an open chain, or no published head. Records after the last one could have been removed.',
  call_beyond_record:
    'No record states these lines: the run goes on, or its sidecar did not reach the authority.',
} as const;

/** Place of a finding: `line` starts at 1; 0 is a whole file or a published head. */
export type Place = { readonly file: string; readonly line: number };

export type AuditFault = Place & {
  readonly code: AuditFaultCode;
  readonly expected: string;
  readonly got: string;
};

export type AuditNote = Place & {
  readonly code: keyof typeof AUDIT_NOTES;
  readonly text: string;
};

/**
 * A range of records, or of lines of a journal, that nothing proves. Its place is the record of the restart
 * that states it, or the last line.
 */
export type AuditUnverified = Place & {
  readonly code: keyof typeof AUDIT_UNVERIFIED;
  /** Of lines of a journal: the run. */
  readonly chain: string;
  /** The last record with a seal of its own, or the last line that a record states; -1: none was found. */
  readonly sealedThrough: number;
  /** The last record that the restart found, or the last line. */
  readonly last: number;
};

/** Formats a range as one line: `<file>:<line>: unverified: <code>: …`. */
export const formatUnverified = ({
  file,
  line,
  code,
  chain,
  sealedThrough,
  last,
}: AuditUnverified): string => {
  const id = formatForeignText(chain);
  const ranges = {
    open_before_restart: `what followed record ${last} of ${id}`,
    unsealed_before_restart: `records ${sealedThrough + 1} to ${last} of ${id}, and what followed them`,
    call_beyond_record: `lines ${sealedThrough + 1} to ${last} of run ${id}, and what followed them`,
  };
  return `${file}:${line}: unverified: ${code}: ${ranges[code]}`;
};

/** Formats a fault as one line: `<file>:<line>: <code>: expected …, got …`. */
export const formatAuditFault = ({ file, line, code, expected, got }: AuditFault): string =>
  `${file}:${line}: ${code}: expected ${expected}, got ${got}`;

/** Findings that are listed; further faults are only counted. */
const MAX_LISTED = 1_000;

/** Collects the findings of a verification. */
export const createFindings = () => {
  const faults: AuditFault[] = [];
  const notes: AuditNote[] = [];
  const unverified: AuditUnverified[] = [];
  let count = 0;
  return {
    faults,
    notes,
    unverified,
    count: () => count,
    fault: (
      place: Place,
      code: AuditFaultCode,
      details: { expected: string; got: string },
    ): void => {
      count += 1;
      const { file, line } = place;
      if (faults.length < MAX_LISTED) faults.push({ file, line, code, ...details });
    },
    note: ({ file, line }: Place, code: AuditNote['code'], text: string): void => {
      if (notes.length < MAX_LISTED) notes.push({ file, line, code, text });
    },
  };
};

export type Findings = ReturnType<typeof createFindings>;

/** Formats untrusted text for a finding: unchanged if it is plain, otherwise escaped and shortened. */
export const formatForeignText = (text: string): string =>
  /^[\w.:/-]{1,300}$/.test(text) ? text : formatValue(text);
