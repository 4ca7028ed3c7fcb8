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
const HEADING_OR_BLOCK = /^#+ (?<heading>[^\n]*)$|^```(?<language>\w*)\n(?<text>.*?)^```$/gms;

/** Reads the fenced blocks of a page, in their order. */
export const readGuideBlocks = (page: string): readonly GuideBlock[] => {
  let heading = '';
  return Array.from(
    readFileSync(join(root, page), 'utf8').matchAll(HEADING_OR_BLOCK),
    ({ groups = {} }) => {
      heading = groups['heading'] ?? heading;
      const { language = '', text } = groups;
      return text === undefined ? undefined : { heading, language, text };
    },
  ).filter((block) => block !== undefined);
};

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
