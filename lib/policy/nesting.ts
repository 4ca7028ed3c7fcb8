/**
 * How high a policy's syntax tree may be. Cedar's WebAssembly has a stack of fixed size: a chain or
 * nesting of a few hundred overruns it, and every call of the process fails from then on. So the
 * height of a text is measured before Cedar sees it.
 */
export const MAX_HEIGHT = 48;

/** What makes a syntax tree higher, and what begins anew; strings are read over. */
const TOKEN = /"(?:[^"\\]|\\[^])*"|&&|\|\||[-+*!.,;()[\]{}]|\b(?:if|when|unless)\b/g;

/** What stands in one pair of brackets, since its last comma. */
type BracketLevel = {
  /** Operators, and the longest run of members, calls and indices among them. */
  chain: number;
  links: number;
  longest: number;
  /** The highest of the brackets closed here. */
  tallest: number;
  /** The height of what stands before the last comma. */
  done: number;
};

const createLevel = (): BracketLevel => ({ chain: 0, links: 0, longest: 0, tallest: 0, done: 0 });

const computeHeight = ({ chain, longest, tallest, done }: BracketLevel): number =>
  Math.max(done, chain + longest + tallest + 1);

/** The height of a level, in which what is open is so high. */
const computeHeightAround = (inner: number, level: BracketLevel): number =>
  computeHeight({ ...level, tallest: Math.max(level.tallest, inner) });

/**
 * Finds the first place of a text without comments where its syntax tree may be higher than
 * {@link MAX_HEIGHT}: brackets in brackets, operators in a chain, members of members.
 *
 * @returns its offset, if there is one
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
