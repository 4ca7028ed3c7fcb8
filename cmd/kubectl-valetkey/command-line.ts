import { Command, InvalidArgumentError, Option } from 'commander';

import { INSTALLED } from '../../lib/contract/names.ts';
import { render, type Answer, type Format } from './answer.ts';
import type { Edges } from './edges.ts';
import { EXIT, type ExitCode } from './tool-error.ts';

/** What a command is given: what it touches, and where its answer goes. */
export type Shell = {
  readonly edges: Edges;
  readonly finish: (code: ExitCode) => void;
};

/** One line to type, and what it does. */
export type Example = readonly [line: string, meaning: string];

/** A command with its examples, which end its help. */
export const newCommand = (name: string, summary: string, examples: readonly Example[]): Command =>
  new Command(name)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase() ?? ''}${summary.slice(1)}.`)
    .addHelpText('after', examplesText(examples));

const examplesText = (examples: readonly Example[]): string =>
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
export const tell = ({ edges, finish }: Shell, answer: Answer, format: Format): void => {
  edges.out(render(answer, format));
  finish(answer.isWell ? EXIT.fine : EXIT.found);
};

/** An option that may stand several times: `k=v` each, no name twice. */
export const keyValue = (
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
export const several = (given: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  given,
];
