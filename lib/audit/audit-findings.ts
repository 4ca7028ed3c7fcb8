import { formatValue } from '../schema/field-error.ts';

/** What a verification can find, and what it means. */
export const AUDIT_FAULTS = {
  not_a_record: 'The line is no record, and no later record accounts for it.',
  not_canonical: 'The line is a record written in another form than ours.',
  edited: 'The record is not what its own hash says.',
  hole: 'Records are missing before this one.',
  out_of_order: 'The record stands again, or too late.',
  broken_link: 'The record before it was replaced by another.',
  no_beginning: 'The first record is not the beginning of its chain, or a later one says it is.',
  forged_seal: 'The signature is not by the key that it names.',
  unknown_key: 'The seal is by a key that you did not give.',
  unsealed: 'Too many records have no seal, or a record of the chain itself has none.',
  missing_chain: 'The cluster, or a later chain, knows a chain of which there is no record.',
  cut: 'A chain ends before the record that the cluster, or a later chain, knows.',
  other_history: 'A chain has another record where the cluster, or a later chain, knows one.',
} as const;

export type AuditFaultCode = keyof typeof AUDIT_FAULTS;

/** What is no fault and yet worth knowing. */
export const AUDIT_NOTES = {
  torn: 'A process was killed while it wrote; the next record states exactly these bytes.',
  unfinished: 'The file ends in half a line: being written, or left by a process that was killed.',
  not_compared: 'A head is too old to be compared with what is remembered.',
  partial: 'Older files were left out, as you said.',
} as const;

/** Where something was found: `line` counts from 1; 0 where it is about a file or head as a whole. */
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

/** One line for people: `<file>:<line>: <code>: expected …, got …`. */
export const formatAuditFault = ({ file, line, code, expected, got }: AuditFault): string =>
  `${file}:${line}: ${code}: expected ${expected}, got ${got}`;

/** Faults that are listed; the others are counted. */
const MAX_LISTED = 1_000;

/** Collects what a verification finds. */
export const createFindings = () => {
  const faults: AuditFault[] = [];
  const notes: AuditNote[] = [];
  let count = 0;
  return {
    faults,
    notes,
    count: () => count,
    fault: (place: Place, code: AuditFaultCode, said: { expected: string; got: string }): void => {
      count += 1;
      const { file, line } = place;
      if (faults.length < MAX_LISTED) faults.push({ file, line, code, ...said });
    },
    note: ({ file, line }: Place, code: AuditNote['code'], text: string): void => {
      if (notes.length < MAX_LISTED) notes.push({ file, line, code, text });
    },
  };
};

export type Findings = ReturnType<typeof createFindings>;

/** A foreign word for a finding: as it is where it is plain, else escaped and short. */
export const formatForeignText = (text: string): string =>
  /^[\w.:/-]{1,300}$/.test(text) ? text : formatValue(text);
