import ts from 'typescript';

import {
  BANNED_IDENTIFIERS,
  BANNED_IN_MESSAGES,
  BANNED_WORDS,
  type BannedWord,
} from './banned-words.ts';

/** One use of a banned word; `line` counts from 1. */
export type Finding = {
  readonly line: number;
  readonly found: string;
  readonly use: string;
};

/** One piece of a file that is checked, with its offset. */
type Piece = {
  readonly kind: 'identifier' | 'message' | 'text';
  readonly text: string;
  readonly at: number;
};

type Rule = { readonly regex: RegExp; readonly use: string };

/**
 * Finds banned words in one file. TypeScript is scanned token by token, so identifiers, comments and
 * messages each follow their own rules; any other file is plain text.
 */
export const findBannedWords = (path: string, content: string): readonly Finding[] => {
  const pieces = isScript(path) ? scanScript(content) : [toText(content, 0)];
  const name = path.replace(/\.[a-z]+$/, '').replaceAll(/[/._-]+/g, ' ');
  const inName = [
    ...matchRules(WORDS, splitWords(name)),
    ...name.split(' ').flatMap((part) => matchRules(IDENTIFIERS, part)),
  ].map(({ found, use }) => ({ line: 1, found, use }));
  return [...inName, ...pieces.flatMap((piece) => checkPiece(piece, content))];
};

const isScript = (path: string): boolean => /\.m?[jt]s$/.test(path);

const compileRules = (words: readonly BannedWord[], toPattern: (pattern: string) => string) =>
  words.map(({ pattern, use }): Rule => ({ regex: new RegExp(toPattern(pattern), 'gi'), use }));

const bounded = (pattern: string): string =>
  `(?<![\\p{L}\\p{N}_])(?:${pattern.replaceAll(' ', '\\s+')})(?![\\p{L}\\p{N}_])`;

const WORDS = BANNED_WORDS.map(({ pattern, use }): Rule => ({
  regex: new RegExp(bounded(pattern), 'giu'),
  use,
}));
const MESSAGES = compileRules(BANNED_IN_MESSAGES, (pattern) => `\\b(?:${pattern})\\b`);
/** Names of other projects that contain a banned word. */
const PROPER_NAMES = /keepalive/gi;

const IDENTIFIERS = BANNED_IDENTIFIERS.map(({ pattern, use }): Rule => ({
  regex: new RegExp(pattern, 'g'),
  use,
}));

const toText = (text: string, at: number): Piece => ({ kind: 'text', text, at });

const checkPiece = ({ kind, text, at }: Piece, content: string): readonly Finding[] => {
  const startLine = countLines(content.slice(0, at));
  // Documents and messages contain identifiers too. Splitting words adds no lines.
  const words = splitWords(text);
  const toFinding =
    (within: string) =>
    ({ found, use, index }: Hit): Finding => ({
      line: startLine + countLines(within.slice(0, index)) - 1,
      found: kind === 'identifier' ? text : found,
      use,
    });
  const exact = kind === 'identifier' ? IDENTIFIERS : kind === 'message' ? MESSAGES : [];
  return [
    ...matchRules(exact, text).map(toFinding(text)),
    ...matchRules(WORDS, words).map(toFinding(words)),
  ];
};

const countLines = (text: string): number => text.split('\n').length;

type Hit = { readonly found: string; readonly use: string; readonly index: number };

const matchRules = (rules: readonly Rule[], text: string): readonly Hit[] =>
  rules.flatMap(({ regex, use }) =>
    [...text.matchAll(regex)].map((match) => ({ found: match[0], use, index: match.index })),
  );

/** `isRunDead`, `HEARTBEAT_TIMEOUT_MS` → `is Run Dead`, `SILENCE MS`. */
const splitWords = (identifier: string): string =>
  identifier
    .replaceAll(PROPER_NAMES, '')
    .replaceAll('_', ' ')
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, ' ');

const scanScript = (content: string): readonly Piece[] => {
  const pieces: Piece[] = [];
  const source = ts.createSourceFile('source.ts', content, ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    const at = node.getStart(source);
    if (ts.isIdentifier(node)) pieces.push({ kind: 'identifier', text: node.text, at });
    else if (isMessage(node)) pieces.push({ kind: 'message', text: node.getText(source), at });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...pieces, ...listComments(source)];
};

const isMessage = (node: ts.Node): boolean =>
  ts.isStringLiteralLike(node) ||
  ts.isTemplateHead(node) ||
  ts.isTemplateMiddle(node) ||
  ts.isTemplateTail(node);

/** Comments are trivia: they lie between the tokens. */
const listComments = (source: ts.SourceFile): readonly Piece[] => {
  const comments = new Map<number, Piece>();
  const add = (ranges: readonly ts.CommentRange[] | undefined): void => {
    for (const { pos, end } of ranges ?? [])
      comments.set(pos, toText(source.text.slice(pos, end), pos));
  };
  const visit = (node: ts.Node): void => {
    if (node.getChildCount(source) === 0 && !ts.isJsxText(node)) {
      add(ts.getLeadingCommentRanges(source.text, node.getFullStart()));
      add(ts.getTrailingCommentRanges(source.text, node.getEnd()));
    }
    for (const child of node.getChildren(source)) visit(child);
  };
  visit(source);
  return [...comments.values()];
};
