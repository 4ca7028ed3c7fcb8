import { describeFault, type Fault } from '../../lib/reading/fault.ts';

/** What the program ends with; `--help` says so. */
export const EXIT = { fine: 0, found: 1, usage: 2, unreachable: 3 } as const;
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
export const wrongUsage = (faults: readonly Fault[]): ToolError =>
  new ToolError(EXIT.usage, faults.map(describeFault));

/** What was asked for is not there, or not what it should be. */
export const foundWrong = (faults: readonly Fault[]): ToolError =>
  new ToolError(EXIT.found, faults.map(describeFault));
