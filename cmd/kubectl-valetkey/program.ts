import { Command, CommanderError } from 'commander';

import { VERSION } from '../../lib/contract/version.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { escapeInvisible } from '../../lib/schema/field-error.ts';
import { createAuditTimelineCommand } from './audit-timeline.ts';
import { createAuditVerifyCommand } from './audit-verify.ts';
import type { Shell } from './command-line.ts';
import type { Io } from './io.ts';
import { createExplainCommand } from './explain.ts';
import { createIssuerCommand } from './issuer-export.ts';
import { createLintCommand } from './lint.ts';
import { createRevokeCommand } from './revoke.ts';
import { createStatusCommand } from './status.ts';
import { EXIT, ToolError, type ExitCode } from './tool-error.ts';
import { createTrustPolicyCommand } from './trust-policy.ts';

const EXIT_CODES = `
Ends with
  0  all is well
  1  something wrong was found
  2  wrong usage
  3  the cluster could not be asked: unreachable, or it refused`;

/** The program and its commands; nothing runs yet. */
export const createProgram = (shell: Shell): Command => {
  const audit = new Command('audit')
    .summary("the authority's records")
    .description("The authority's records.")
    .addCommand(createAuditVerifyCommand(shell))
    .addCommand(createAuditTimelineCommand(shell));
  const commands = [
    createStatusCommand(shell),
    createExplainCommand(shell),
    createLintCommand(shell),
    createRevokeCommand(shell),
    createTrustPolicyCommand(shell),
    createIssuerCommand(shell),
    audit,
  ];
  const program = new Command('kubectl valetkey')
    .description(
      'Valetkey for a person: look, explain, check, revoke, and verify what is on record.',
    )
    .version(VERSION, '--version');
  for (const command of commands) program.addCommand(command);
  for (const command of listCommands(program)) {
    const { out, error } = shell.io;
    command.exitOverride().configureOutput({ writeOut: out, writeErr: error, outputError });
    command.addHelpText('after', EXIT_CODES);
  }
  return program;
};

/** A command and all below it. */
export const listCommands = (command: Command): readonly Command[] => [
  command,
  ...command.commands.flatMap(listCommands),
];

/** Commander quotes what was typed. */
const outputError = (text: string, write: (text: string) => void): void =>
  write(text.split('\n').map(escapeInvisible).join('\n'));

/**
 * Runs one command line.
 *
 * @param words without the program itself
 * @returns what the process ends with
 */
export const runProgram = async (words: readonly string[], io: Io): Promise<ExitCode> => {
  let code: ExitCode = EXIT.ok;
  const program = createProgram({ io, setExitCode: (found) => (code = found) });
  try {
    await program.parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    return reportError(error, io);
  }
};

const reportError = (error: unknown, edges: Io): ExitCode => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const { code, lines } = toToolError(error);
  edges.error(lines.map((line) => `${escapeInvisible(line)}\n`).join(''));
  return code;
};

const toToolError = (error: unknown): Pick<ToolError, 'code' | 'lines'> => {
  if (error instanceof ToolError) return error;
  const message = error instanceof Error ? error.message : 'something that is no error was thrown';
  if (error instanceof KubernetesError) return { code: EXIT.unreachable, lines: [message] };
  return { code: EXIT.problems, lines: [`kubectl-valetkey failed: ${message}`] };
};
