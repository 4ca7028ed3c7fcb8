import { Command, CommanderError } from 'commander';

import { VERSION } from '../../lib/contract/version.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { escapeInvisible } from '../../lib/reading/fault.ts';
import { auditStoryCommand } from './audit-story.ts';
import { auditVerifyCommand } from './audit-verify.ts';
import type { Shell } from './command-line.ts';
import type { Edges } from './edges.ts';
import { explainCommand } from './explain.ts';
import { issuerCommand } from './issuer-export.ts';
import { lintCommand } from './lint.ts';
import { revokeCommand } from './revoke.ts';
import { statusCommand } from './status.ts';
import { EXIT, ToolError, type ExitCode } from './tool-error.ts';
import { trustPolicyCommand } from './trust-policy.ts';

const EXIT_CODES = `
Ends with
  0  all is well
  1  something wrong was found
  2  wrong usage
  3  the cluster could not be asked: unreachable, or it refused`;

/** The program and its commands; nothing runs yet. */
export const buildProgram = (shell: Shell): Command => {
  const audit = new Command('audit')
    .summary("the authority's records")
    .description("The authority's records.")
    .addCommand(auditVerifyCommand(shell))
    .addCommand(auditStoryCommand(shell));
  const commands = [
    statusCommand(shell),
    explainCommand(shell),
    lintCommand(shell),
    revokeCommand(shell),
    trustPolicyCommand(shell),
    issuerCommand(shell),
    audit,
  ];
  const program = new Command('kubectl valetkey')
    .description(
      'Valetkey for a person: look, explain, check, revoke, and verify what is on record.',
    )
    .version(VERSION, '--version');
  for (const command of commands) program.addCommand(command);
  for (const command of allOf(program)) {
    const { out, error } = shell.edges;
    command.exitOverride().configureOutput({ writeOut: out, writeErr: error, outputError });
    command.addHelpText('after', EXIT_CODES);
  }
  return program;
};

/** A command and all below it. */
export const allOf = (command: Command): readonly Command[] => [
  command,
  ...command.commands.flatMap(allOf),
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
export const runProgram = async (words: readonly string[], edges: Edges): Promise<ExitCode> => {
  let code: ExitCode = EXIT.fine;
  const program = buildProgram({ edges, finish: (found) => (code = found) });
  try {
    await program.parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    return explainError(error, edges);
  }
};

const explainError = (error: unknown, edges: Edges): ExitCode => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
  const { code, lines } = toToolError(error);
  edges.error(lines.map((line) => `${escapeInvisible(line)}\n`).join(''));
  return code;
};

const toToolError = (error: unknown): Pick<ToolError, 'code' | 'lines'> => {
  if (error instanceof ToolError) return error;
  const message = error instanceof Error ? error.message : 'something that is no error was thrown';
  if (error instanceof KubernetesError) return { code: EXIT.unreachable, lines: [message] };
  return { code: EXIT.found, lines: [`kubectl-valetkey failed: ${message}`] };
};
