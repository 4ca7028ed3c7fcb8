import { Command, CommanderError } from 'commander';

import { VERSION } from '../../lib/contract/version.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { escapeInvisible } from '../../lib/schema/field-error.ts';
import {
  createBreakGlassCommand,
  createDecisionCommand,
  createRequestsCommand,
} from './approvals.ts';
import { createAuditTimelineCommand } from './audit-timeline.ts';
import { createAuditVerifyCommand } from './audit-verify.ts';
import { createCheckCommand } from './check/check.ts';
import type { Shell } from './command-line.ts';
import { complete } from './completion.ts';
import type { Io } from './io.ts';
import { createConsoleCommand } from './console/console.ts';
import { createExplainCommand } from './explain.ts';
import { createIssuerCommand } from './issuer-export.ts';
import { createLintCommand } from './lint.ts';
import { createMcpCommand } from './mcp-digest.ts';
import { createPostureCommand } from './posture/posture.ts';
import { createProposalsCommand } from './proposals.ts';
import { createQuickstartCommand } from './quickstart/quickstart.ts';
import { createRevokeCommand } from './revoke.ts';
import { createStatusCommand } from './status.ts';
import { createAuditQueryCommand } from './records/audit-query.ts';
import { createAuditTailCommand } from './records/audit-tail.ts';
import { createRunsCommand } from './records/runs.ts';
import { createTasksCommand } from './records/tasks.ts';
import { EXIT, ToolError, type ExitCode } from './tool-error.ts';
import { createTrustPolicyCommand } from './trust-policy.ts';
import { createTryCommand } from './try/try.ts';

const EXIT_CODES = `
Exit status:
  0  no problems found
  1  problems found
  2  invalid usage
  3  the cluster is unreachable or denied a request
  4  no problems found, but audit records or calls that cannot be verified
  130  interrupted before a result`;

/** Builds the program and its commands without running any of them. */
export const createProgram = (shell: Shell): Command => {
  const audit = new Command('audit')
    .summary('Follow, query and verify audit records; show the timeline of a run')
    .description('Follow, query and verify audit records; show the timeline of a run.')
    .addCommand(createAuditTailCommand(shell))
    .addCommand(createAuditQueryCommand(shell))
    .addCommand(createAuditVerifyCommand(shell))
    .addCommand(createAuditTimelineCommand(shell));
  const commands = [
    createQuickstartCommand(shell),
    createCheckCommand(shell),
    createStatusCommand(shell),
    createExplainCommand(shell),
    createTryCommand(shell),
    createLintCommand(shell),
    createTasksCommand(shell),
    createRunsCommand(shell),
    createRevokeCommand(shell),
    createRequestsCommand(shell),
    createDecisionCommand(shell, 'approve'),
    createDecisionCommand(shell, 'deny'),
    createBreakGlassCommand(shell),
    createDecisionCommand(shell, 'review'),
    createProposalsCommand(shell),
    createPostureCommand(shell),
    createConsoleCommand(shell),
    createTrustPolicyCommand(shell),
    createIssuerCommand(shell),
    createMcpCommand(shell),
    audit,
  ];
  const program = new Command('kubectl valetkey')
    .description('Inspect, lint and revoke tasks; verify audit logs.')
    .version(VERSION, '--version', 'Print the version')
    .helpCommand('help [command]', 'Show help for a command');
  for (const command of commands) program.addCommand(command);
  for (const command of listCommands(program)) {
    const { out, error } = shell.io;
    command.exitOverride().configureOutput({ writeOut: out, writeErr: error, outputError });
    command.helpOption('-h, --help', 'Show help').addHelpText('after', EXIT_CODES);
  }
  return program;
};

/** As kubectl's own completion names it. */
const COMPLETE = '__complete';

/** Lists a command and all its subcommands. */
export const listCommands = (command: Command): readonly Command[] => [
  command,
  ...command.commands.flatMap(listCommands),
];

/** Escapes the user's input, which commander quotes in its messages. */
const outputError = (text: string, write: (text: string) => void): void =>
  write(text.split('\n').map(escapeInvisible).join('\n'));

/**
 * Runs one command line.
 *
 * @param words arguments without the program's name
 * @returns exit status of the process
 */
export const runProgram = async (words: readonly string[], io: Io): Promise<ExitCode> => {
  let code: ExitCode = EXIT.ok;
  const program = createProgram({ io, setExitCode: (found) => (code = found) });
  // Not a command of commander: it would parse the options of the line that is to be completed.
  if (words[0] === COMPLETE) {
    io.out(complete(program, words.slice(1)));
    return code;
  }
  try {
    await program.parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    return reportError(error, io);
  }
};

const reportError = (error: unknown, io: Io): ExitCode => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const { code, lines } = toToolError(error);
  io.error(lines.map((line) => `${escapeInvisible(line)}\n`).join(''));
  return code;
};

const toToolError = (error: unknown): Pick<ToolError, 'code' | 'lines'> => {
  if (error instanceof ToolError) return error;
  const message =
    error instanceof Error ? error.message : 'a value that is not an Error was thrown';
  if (error instanceof KubernetesError) return { code: EXIT.unreachable, lines: [message] };
  return { code: EXIT.problems, lines: [`kubectl-valetkey: internal error: ${message}`] };
};
