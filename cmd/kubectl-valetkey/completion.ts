import type { Command, Option } from 'commander';

/** What a shell completes if there are no candidates, as kubectl reads it from plugins. */
const DIRECTIVE = { files: 0, noFiles: 4 } as const;

/**
 * Lists what may replace the word at the end, one candidate for each line with its description, and the directive of
 * kubectl's plugin completion. It only reads the definition of the commands: no file and no cluster.
 *
 * @param words arguments without the program's name; the last one, which may be empty, is to be completed
 */
export const complete = (program: Command, words: readonly string[]): string => {
  const typed = words.at(-1) ?? '';
  const { command, pending } = findContext(program, words.slice(0, -1));
  const { candidates, directive } = listCandidates(command, { pending, typed });
  const lines = candidates
    .filter(([value]) => value.startsWith(typed))
    .map(([value, description]) => `${value}\t${description}\n`);
  return `${lines.join('')}:${directive}\n`;
};

type Context = {
  readonly command: Command;
  /** The option whose value is the next word. */
  readonly pending: Option | undefined;
};

const findContext = (program: Command, words: readonly string[]): Context =>
  words.reduce<Context>(
    ({ command, pending }, word) => {
      if (pending !== undefined) return { command, pending: undefined };
      const option = command.options.find(({ short, long }) => word === short || word === long);
      if (option !== undefined)
        return { command, pending: takesValue(option) ? option : undefined };
      const next = command.commands.find((each) => each.name() === word);
      return { command: next ?? command, pending: undefined };
    },
    { command: program, pending: undefined },
  );

const takesValue = ({ required, optional }: Option): boolean => required || optional;

type Candidate = readonly [value: string, description: string];
type Candidates = { readonly candidates: readonly Candidate[]; readonly directive: number };

const listCandidates = (
  command: Command,
  { pending, typed }: { readonly pending: Option | undefined; readonly typed: string },
): Candidates => {
  if (pending !== undefined) return listValues(pending);
  if (typed.startsWith('-'))
    return { candidates: listOptions(command), directive: DIRECTIVE.noFiles };
  if (command.commands.length === 0) return { candidates: [], directive: DIRECTIVE.files };
  const candidates = command.commands.map((each) => [each.name(), each.summary()] as const);
  return { candidates, directive: DIRECTIVE.noFiles };
};

/** The choices of an option; the shell completes other values as files. */
const listValues = ({ argChoices }: Option): Candidates =>
  argChoices === undefined
    ? { candidates: [], directive: DIRECTIVE.files }
    : { candidates: argChoices.map((choice) => [choice, '']), directive: DIRECTIVE.noFiles };

const listOptions = ({ options }: Command): readonly Candidate[] =>
  options.flatMap(({ long, hidden, description }) =>
    long === undefined || hidden ? [] : [[long, description] as const],
  );
