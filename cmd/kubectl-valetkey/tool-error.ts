import { formatFieldError, type FieldError } from '../../lib/schema/field-error.ts';

/** What the program ends with; `--help` says so. */
export const EXIT = { ok: 0, problems: 1, usage: 2, unreachable: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Why a command did not come to an answer, in words for people, a line each. */
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

/** The command line, or a file that it names, is not what it should be. */
export const createUsageError = (faults: readonly FieldError[]): ToolError =>
  new ToolError(EXIT.usage, faults.map(formatFieldError));

/** What was asked for is not there, or not what it should be. */
export const createProblemError = (faults: readonly FieldError[]): ToolError =>
  new ToolError(EXIT.problems, faults.map(formatFieldError));
