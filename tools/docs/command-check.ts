import { runProgram } from '../../cmd/kubectl-valetkey/program.ts';
import type { Io } from '../../cmd/kubectl-valetkey/io.ts';
import { EXIT, ToolError } from '../../cmd/kubectl-valetkey/tool-error.ts';

const accessError = new ToolError(EXIT.unreachable, ['access reached']);
const stopAtAccess = () => {
  throw accessError;
};

/** An environment of the tool in which each access to a file or a cluster ends the command. */
export const createStoppedIo = (write: (text: string) => void): Io => ({
  out: write,
  error: write,
  listFiles: (path) => Promise.resolve([path]),
  streamFile: stopAtAccess,
  writeFile: stopAtAccess,
  createClusterClient: stopAtAccess,
  fetchDocument: stopAtAccess,
  sendSignedRequest: stopAtAccess,
  showInBrowser: stopAtAccess,
  onInterrupt: stopAtAccess,
  schedule: stopAtAccess,
  now: () => 0,
  newId: () => 'id',
});

/** What {@link checkCommand} returns for a command with valid arguments. */
export const VALID_COMMAND = { code: EXIT.unreachable, help: 'access reached\n' };

/** Runs a command until its first access to a file or a cluster: its arguments are valid if it gets there. */
export const checkCommand = async (words: readonly string[]) => {
  let help = '';
  const code = await runProgram(
    words,
    createStoppedIo((text) => (help += text)),
  );
  return { code, help };
};

/** The arguments of each `kubectl valetkey` command in a line of a page, split as by a shell. */
export const listOwnCommands = (line: string): readonly (readonly string[])[] =>
  line
    .split(' | ')
    .filter((command) => command.startsWith('kubectl valetkey '))
    .map((command) =>
      Array.from(
        command.matchAll(/"([^"]*)"|(\S+)/g),
        ([, quoted, plain]) => quoted ?? plain ?? '',
      ),
    )
    .map(([, , ...words]) => words);

const SHELL_BLOCK = /^(?<indent> *)```sh\n(?<text>.*?)^ *```$/gms;

/** What a shell would run before the word that follows: `$(…)` becomes one word, comments and redirections none. */
const simplify = (command: string): string =>
  command
    .replaceAll(/\$\((?:[^()]|\([^()]*\))*\)/g, 'substituted')
    .replaceAll(/ \d?>{1,2} ?\S+/g, '')
    .replace(/(?:^|\s)#.*$/, '')
    .trim();

/** The words of a simple command, without their quotes. */
const toWords = (command: string): readonly string[] =>
  Array.from(command.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g), ([word]) =>
    word.replaceAll(
      /"([^"]*)"|'([^']*)'/g,
      (_, double?: string, single?: string) => double ?? single ?? '',
    ),
  );

/** The simple commands of all shell blocks of a page, each as its words. */
export const listShellCommands = (page: string): readonly (readonly string[])[] =>
  Array.from(page.matchAll(SHELL_BLOCK), ({ groups = {} }) => groups['text'] ?? '')
    .flatMap((text) => text.replaceAll(/\\\n/g, ' ').split('\n'))
    .map(simplify)
    .flatMap((line) => line.split(/ \|\|? | && |; /))
    .map(toWords)
    .filter((words) => words.length > 0);

/** The commands in the prose of a page that begin with these words: `kubectl valetkey status`. */
export const listInlineCommands = (page: string, start: string): readonly (readonly string[])[] => {
  const prose = page.replaceAll(/^ *```.*?^ *```$/gms, '');
  return Array.from(prose.matchAll(/`([^`]+)`/g), ([, code = '']) => code.replaceAll(/\s+/g, ' '))
    .filter((code) => code === start || code.startsWith(`${start} `))
    .map((code) => toWords(simplify(code)));
};
