/**
 * How high a policy's syntax tree may be. Cedar's WebAssembly has a stack of fixed size: a chain or
 * nesting of a few hundred overruns it, and every call of the process fails from then on. So the
 * height of a text is measured before Cedar sees it.
 */
export const MAX_HEIGHT = 48;

/** What makes a syntax tree higher, and what begins anew; strings are read over. */
const TOKEN = /"(?:[^"\\]|\\[^])*"|&&|\|\||[-+*!.,;()[\]{}]|\b(?:if|when|unless)\b/g;

/** What stands in one pair of brackets, since its last comma. */
type Level = {
  /** Operators, and the longest run of members, calls and indices among them. */
  chain: number;
  links: number;
  longest: number;
  /** The highest of the brackets closed here. */
  tallest: number;
  /** The height of what stands before the last comma. */
  done: number;
};

const newLevel = (): Level => ({ chain: 0, links: 0, longest: 0, tallest: 0, done: 0 });

const heightOf = ({ chain, longest, tallest, done }: Level): number =>
  Math.max(done, chain + longest + tallest + 1);

/** The height of a level, in which what is open is so high. */
const heightAround = (inner: number, level: Level): number =>
  heightOf({ ...level, tallest: Math.max(level.tallest, inner) });

/**
 * Finds the first place of a text without comments where its syntax tree may be higher than
 * {@link MAX_HEIGHT}: brackets in brackets, operators in a chain, members of members.
 *
 * @returns its offset, if there is one
 */
export const findTooHigh = (text: string): number | undefined => {
  const levels = [newLevel()];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    take(token, levels);
    if (levels.reduceRight(heightAround, 0) > MAX_HEIGHT) return index;
  }
  return undefined;
};

const take = (token: string, levels: Level[]): void => {
  const level = levels.at(-1) ?? newLevel();
  if (token.startsWith('"')) return;
  if ('([{.'.includes(token)) link(level);
  if ('([{'.includes(token)) levels.push(newLevel());
  else if (')]}'.includes(token)) close(levels);
  else if (token === ',') levels[levels.length - 1] = { ...newLevel(), done: heightOf(level) };
  else if (token === ';' && levels.length === 1) levels[0] = newLevel();
  else if (token !== '.') operate(level);
};

const link = (level: Level): void => {
  level.links += 1;
  level.longest = Math.max(level.longest, level.links);
};

const operate = (level: Level): void => {
  level.chain += 1;
  level.links = 0;
};

const close = (levels: Level[]): void => {
  const closed = levels.length > 1 ? levels.pop() : undefined;
  const level = levels.at(-1);
  if (closed === undefined || level === undefined) return;
  level.tallest = Math.max(level.tallest, heightOf(closed));
};
