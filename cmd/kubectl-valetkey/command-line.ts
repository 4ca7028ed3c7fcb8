import { Command, InvalidArgumentError, Option } from 'commander';

import { INSTALLED } from '../../lib/contract/names.ts';
import { renderResult, type CommandResult, type Format } from './command-result.ts';
import type { Io } from './io.ts';
import { EXIT, type ExitCode } from './tool-error.ts';

/** What a command is given: what it touches, and where its answer goes. */
export type Shell = {
  readonly io: Io;
  readonly setExitCode: (code: ExitCode) => void;
};

/** One line to type, and what it does. */
export type Example = readonly [line: string, meaning: string];

/** A command with its examples, which end its help. */
export const newCommand = (name: string, summary: string, examples: readonly Example[]): Command =>
  new Command(name)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase() ?? ''}${summary.slice(1)}.`)
    .addHelpText('after', formatExamples(examples));

const formatExamples = (examples: readonly Example[]): string =>
  ['', 'Examples:', ...examples.map(([line, meaning]) => `  # ${meaning}\n  ${line}`), ''].join(
    '\n',
  );

export type OutputOptions = { readonly output: Format };

export const withOutput = (command: Command): Command =>
  command.addOption(
    new Option('-o, --output <format>', 'how to answer').choices(['text', 'json']).default('text'),
  );

/** @param short where `-n` means Valetkey's own namespace: the command is about no other */
export const withCluster = (command: Command, { short = true } = {}): Command =>
  command
    .option('--kubeconfig <file>', 'kubeconfig to use, as kubectl does')
    .option('--context <name>', 'context of the kubeconfig')
    .option(
      `${short ? '-n, ' : ''}--installed-in <namespace>`,
      'namespace that Valetkey is installed in',
      INSTALLED.namespace,
    );

/** Prints an answer; the program ends by whether all is well. */
export const printResult = (
  { io, setExitCode }: Shell,
  answer: CommandResult,
  format: Format,
): void => {
  io.out(renderResult(answer, format));
  setExitCode(answer.isHealthy ? EXIT.ok : EXIT.problems);
};

/** An option that may stand several times: `k=v` each, no name twice. */
export const parseKeyValue = (
  given: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(given) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError('expected name=value.');
  }
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} stands there twice.`);
  return Object.fromEntries([...Object.entries(before), [name, value]]);
};

/** An option that may stand several times. */
export const collectValues = (given: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  given,
];
