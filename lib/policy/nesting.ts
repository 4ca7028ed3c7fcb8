/**
 * Maximum height of a policy's syntax tree. Cedar's WebAssembly has a stack of fixed size: a few hundred
 * chained or nested expressions overflow it, and then every later call in the process fails. Therefore
 * the height is computed before Cedar parses the text.
 */
export const MAX_HEIGHT = 48;

/** Tokens that increase the height of a syntax tree or reset it. Strings are ignored. */
const TOKEN = /"(?:[^"\\]|\\[^])*"|&&|\|\||[-+*!.,;()[\]{}]|\b(?:if|when|unless)\b/g;

/** The content of one pair of brackets since its last comma. */
type BracketLevel = {
  /** Number of operators, and the longest sequence of members, calls and indices between them. */
  chain: number;
  links: number;
  longest: number;
  /** The height of the highest brackets closed here. */
  tallest: number;
  /** The height of the content before the last comma. */
  done: number;
};

const createLevel = (): BracketLevel => ({ chain: 0, links: 0, longest: 0, tallest: 0, done: 0 });

const computeHeight = ({ chain, longest, tallest, done }: BracketLevel): number =>
  Math.max(done, chain + longest + tallest + 1);

/** The height of a level that contains open brackets of height `inner`. */
const computeHeightAround = (inner: number, level: BracketLevel): number =>
  computeHeight({ ...level, tallest: Math.max(level.tallest, inner) });

/**
 * Finds the first position where the syntax tree may be higher than {@link MAX_HEIGHT}: nested brackets,
 * chained operators, members of members.
 *
 * @param text without comments
 * @returns an offset; undefined if there is no such position
 */
export const findExcessiveNesting = (text: string): number | undefined => {
  const levels = [createLevel()];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    applyToken(token, levels);
    if (levels.reduceRight(computeHeightAround, 0) > MAX_HEIGHT) return index;
  }
  return undefined;
};

const applyToken = (token: string, levels: BracketLevel[]): void => {
  const level = levels.at(-1) ?? createLevel();
  if (token.startsWith('"')) return;
  if ('([{.'.includes(token)) addLink(level);
  if ('([{'.includes(token)) levels.push(createLevel());
  else if (')]}'.includes(token)) closeBracket(levels);
  else if (token === ',')
    levels[levels.length - 1] = { ...createLevel(), done: computeHeight(level) };
  else if (token === ';' && levels.length === 1) levels[0] = createLevel();
  else if (token !== '.') addOperator(level);
};

const addLink = (level: BracketLevel): void => {
  level.links += 1;
  level.longest = Math.max(level.longest, level.links);
};

const addOperator = (level: BracketLevel): void => {
  level.chain += 1;
  level.links = 0;
};

const closeBracket = (levels: BracketLevel[]): void => {
  const closed = levels.length > 1 ? levels.pop() : undefined;
  const level = levels.at(-1);
  if (closed === undefined || level === undefined) return;
  level.tallest = Math.max(level.tallest, computeHeight(closed));
};
