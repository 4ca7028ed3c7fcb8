import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A fenced block of a page. */
export type GuideBlock = {
  /** The heading above it. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
};

const root = join(import.meta.dirname, '..', '..', '..');
/** A block in a list is indented. */
const HEADING_OR_BLOCK =
  /^#+ (?<heading>[^\n]*)$|^(?<indent> *)```(?<language>\w*)\n(?<text>.*?)^\k<indent>```$/gms;

/** Reads the fenced blocks of a page, in their order, without the indentation that a list gives them. */
export const readGuideBlocks = (page: string): readonly GuideBlock[] => {
  let heading = '';
  return Array.from(
    readFileSync(join(root, page), 'utf8').matchAll(HEADING_OR_BLOCK),
    ({ groups = {} }) => {
      heading = groups['heading'] ?? heading;
      const { language = '', text, indent = '' } = groups;
      return text === undefined
        ? undefined
        : { heading, language, text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), '') };
    },
  ).filter((block) => block !== undefined);
};

const RUNNABLE = ['sh', 'bash', 'console', 'js', 'ts', 'python', 'go', 'java'];

/** The blocks of commands and programs of a page, in their order. */
export const listRunnableBlocks = (page: string): readonly GuideBlock[] =>
  readGuideBlocks(page).filter(({ language }) => RUNNABLE.includes(language));

/** The commands of a block, one a line. */
export const toLines = (text: string): readonly string[] =>
  text.replaceAll('\\\n', '').trim().split('\n');

/** What the reader replaces, and with what. */
export type Substitutions = Readonly<Record<string, string>>;

/** @throws Error unless the text contains each replaced text exactly once */
export const substitute = (text: string, substitutions: Substitutions): string => {
  let result = text;
  for (const [found, instead] of Object.entries(substitutions)) {
    const count = text.split(found).length - 1;
    if (count !== 1)
      throw new Error(`${found}: expected it once in the block, got it ${count} times`);
    result = result.replace(found, () => instead);
  }
  return result;
};
