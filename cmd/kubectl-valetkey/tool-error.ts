import { formatFieldError, type FieldError } from '../../lib/schema/field-error.ts';

/** Exit status of the program; `--help` lists the values. */
export const EXIT = {
  ok: 0,
  problems: 1,
  usage: 2,
  unreachable: 3,
  unverified: 4,
  /** As shells report the end by SIGINT. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failed command: its exit status, and the messages for the user, one per line. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly code: ExitCode;
  readonly lines: readonly string[];

  constructor(code: ExitCode, lines: readonly string[]) {
    super(lines.join('\n'));
    this.code = code;
    this.lines = lines;
  }
}

/** Creates the error for an invalid command line or an invalid file that it names. */
export const createUsageError = (faults: readonly FieldError[]): ToolError =>
  new ToolError(EXIT.usage, faults.map(formatFieldError));

/** Creates the error for an object that is missing or invalid. */
export const createProblemError = (faults: readonly FieldError[]): ToolError =>
  new ToolError(EXIT.problems, faults.map(formatFieldError));
