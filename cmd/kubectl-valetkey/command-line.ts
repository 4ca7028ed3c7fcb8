import { Command, InvalidArgumentError, Option } from 'commander';

import { INSTALLED } from '../../lib/contract/names.ts';
import { renderResult, type CommandResult, type Format } from './command-result.ts';
import type { Io } from './io.ts';
import { EXIT, type ExitCode } from './tool-error.ts';

/** Input and output of a command, and the setter of its exit status. */
export type Shell = {
  readonly io: Io;
  readonly setExitCode: (code: ExitCode) => void;
};

/** One command line and its description. */
export type Example = readonly [line: string, description: string];

/**
 * Creates a command whose help ends with its examples.
 *
 * @param summary phrase that starts with a verb, without a final period
 */
export const newCommand = (name: string, summary: string, examples: readonly Example[]): Command =>
  new Command(name)
    .summary(summary)
    .description(`${summary}.`)
    .addHelpText('after', formatExamples(examples));

const formatExamples = (examples: readonly Example[]): string =>
  [
    '',
    'Examples:',
    ...examples.map(([line, description]) => `  # ${description}\n  ${line}`),
    '',
  ].join('\n');

export type OutputOptions = { readonly output: Format };

/** Adds `-o text|json|yaml`. @param more formats of this command alone */
export const withOutput = (command: Command, more: readonly Format[] = []): Command =>
  command.addOption(
    new Option('-o, --output <format>', 'Output format')
      .choices(['text', 'json', 'yaml', ...more])
      .default('text'),
  );

/**
 * Adds the options that select the cluster.
 *
 * @param short whether `-n` means Valetkey's namespace; `false` for commands about another namespace
 */
export const withCluster = (command: Command, { short = true } = {}): Command =>
  command
    .option('--kubeconfig <file>', 'Kubeconfig file, as for kubectl')
    .option('--context <name>', 'Context of the kubeconfig')
    .option(
      `${short ? '-n, ' : ''}--installed-in <namespace>`,
      'Namespace in which Valetkey is installed',
      INSTALLED.namespace,
    );

export type NamespacesOptions = { readonly namespace?: string; readonly allNamespaces?: true };

/** Adds the options that select the namespaces of what is listed; `withCluster` then leaves `-n` to them. */
export const withNamespaces = (command: Command): Command =>
  command
    .option('-n, --namespace <namespace>', 'Namespace; default: that of the context')
    .option('-A, --all-namespaces', 'Every namespace');

/** Prints a result and sets the exit status: 1 for problems; else 4 for what could not be decided. */
export const printResult = (
  { io, setExitCode }: Shell,
  result: CommandResult,
  format: Format,
): void => {
  io.out(renderResult(result, format, io));
  setExitCode(toExitCode(result));
};

const toExitCode = ({ isHealthy, isDecided = true }: CommandResult): ExitCode => {
  if (!isHealthy) return EXIT.problems;
  return isDecided ? EXIT.ok : EXIT.unverified;
};

/**
 * Parses a repeatable option whose values are `name=value`.
 *
 * @throws InvalidArgumentError for another form, or a name that is given twice
 */
export const parseKeyValue = (
  given: string,
  previous: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(given) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError('expected name=value.');
  }
  if (Object.hasOwn(previous, name)) throw new InvalidArgumentError(`${name} is given twice.`);
  return Object.fromEntries([...Object.entries(previous), [name, value]]);
};

/** Collects the values of a repeatable option. */
export const collectValues = (
  given: string,
  previous: readonly string[] = [],
): readonly string[] => [...previous, given];
