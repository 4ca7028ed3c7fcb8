import { UPSTREAM_LEVELS, type UpstreamLevel } from '../contract/upstream.ts';
import { patternsOverlap } from '../schema/wildcard-patterns.ts';
import type { HttpUpstream, LevelRule } from './upstream.ts';

/** RFC 9110, section 9.2.1: methods that ask for no change. */
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

type Token = 'any' | 'segment' | { readonly character: string };

/** `*` is any text, `{name}` one segment of a path. */
const tokenize = (path: string): readonly Token[] =>
  path.match(/\{[^}]*\}|./g)?.map((part): Token => {
    if (part === '*') return 'any';
    return part.length > 1 ? 'segment' : { character: part };
  }) ?? [];

/** Whether `token` may take `character`; the wildcard of a task is more than one segment. */
const takes = (token: Token | undefined, character: string): boolean => {
  if (token === 'any') return true;
  return token === 'segment'
    ? character !== '/' && character !== '*'
    : token?.character === character;
};

/**
 * Whether a rule matches every path that a task's pattern matches, in time proportional to the product of
 * their lengths.
 */
const coversPattern = (rule: readonly Token[], pattern: string): boolean => {
  /** Numbers of tokens of the rule that match the pattern so far. */
  let states = new Set([0]);
  const skip = (from: Iterable<number>): Set<number> => {
    const reached = new Set(from);
    for (const at of reached) if (rule[at] === 'any') reached.add(at + 1);
    return reached;
  };
  states = skip(states);
  for (const character of pattern) {
    const next = new Set<number>();
    for (const at of states) {
      if (!takes(rule[at], character)) continue;
      if (typeof rule[at] === 'string') next.add(at);
      if (rule[at] !== 'any') next.add(at + 1);
    }
    states = skip(next);
  }
  return states.has(rule.length);
};

const widen = (path: string): string => path.replace(/\{[^}]*\}/g, '*');

/** The highest of access levels; `Write` of none. */
export const getHighestLevel = (levels: readonly UpstreamLevel[]): UpstreamLevel =>
  UPSTREAM_LEVELS.findLast((level) => levels.includes(level)) ?? 'Write';

const findLevels = (
  { method, path }: { method: string; path: string },
  levels: readonly LevelRule[],
): readonly UpstreamLevel[] => {
  const rules = levels.filter((rule) => rule.method === method);
  const overlapping = rules.filter((rule) => patternsOverlap(widen(rule.path), widen(path)));
  const isCovered = rules.some((rule) => coversPattern(tokenize(rule.path), path));
  return [
    ...overlapping.map(({ level }) => level),
    ...(isCovered ? [] : ([READING.has(method) ? 'Read' : 'Write'] as const)),
  ];
};

/**
 * The access level of an action of a task on a resource: the highest that any of its requests can have.
 *
 * @param action `http:<method>`
 * @param resource URL with `*` and `{param}`; the origin is the Upstream's
 */
export const getAccessLevel = (
  { rules, levels }: Pick<HttpUpstream, 'rules' | 'levels'>,
  { action, resource }: { action: string; resource: string },
): UpstreamLevel => {
  const path = resource.slice(rules.url.length) || '/';
  return getHighestLevel(findLevels({ method: action.replace(/^http:/, ''), path }, levels));
};
