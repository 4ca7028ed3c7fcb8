import type { TaskStatement } from '../contract/task.ts';
import { parseArn } from '../schema/arn.ts';
import { readResourceProtocol } from './upstream-resources.ts';

/** One action with one resource. */
export type ScopePair = { readonly action: string; readonly resource: string };

/**
 * Finds a pair of a scope that another scope does not cover. One statement of the other scope must cover the
 * action and the resource of a pair together.
 *
 * The check is sound and not complete: what it accepts is a subset, and it refuses some subsets. The narrower
 * resource is compared as a text, in which `*` and `?` are characters: only a `*` of the wider one covers a `*`.
 *
 * @param narrow concrete actions, and resources without placeholders
 * @param wide the same
 * @returns undefined if `narrow` is a subset of `wide`
 */
export const findUncoveredPair = (
  narrow: readonly TaskStatement[],
  wide: readonly TaskStatement[],
): ScopePair | undefined =>
  listPairs(narrow).find(
    ({ action, resource }) =>
      !wide.some(
        ({ actions, resources }) =>
          actions.includes(action) && resources.some((each) => coversResource(each, resource)),
      ),
  );

const listPairs = (statements: readonly TaskStatement[]): readonly ScopePair[] =>
  statements.flatMap(({ actions, resources }) =>
    actions.flatMap((action) => resources.map((resource) => ({ action, resource }))),
  );

/** Whether every resource that `narrow` names is one that `wide` names. */
const coversResource = (wide: string, narrow: string): boolean => {
  if (wide === '*' || wide === narrow) return true;
  const [wideArn, narrowArn] = [parseArn(wide), parseArn(narrow)];
  if (wideArn === undefined || narrowArn === undefined) {
    return wideArn === narrowArn && narrow !== '*' && coversUpstreamResource(wide, narrow);
  }
  return PARTS.every((part) => coversText(wideArn[part], narrowArn[part]));
};

/** The scheme is the sixth. A wildcard of one part matches nothing of the next. */
const PARTS = ['partition', 'service', 'region', 'account', 'resource'] as const;

const coversUpstreamResource = (wide: string, narrow: string): boolean => {
  const protocol = readResourceProtocol(wide);
  if (protocol !== readResourceProtocol(narrow)) return false;
  return protocol === 'git' ? coversRepository(wide, narrow) : coversText(wide, narrow);
};

/** A ref may contain `#`, a repository may not. A resource without refs is the repository with all its refs. */
const coversRepository = (wide: string, narrow: string): boolean => {
  const [one, other] = [splitRef(wide), splitRef(narrow)];
  if (!coversText(one.repository, other.repository)) return false;
  if (one.ref === undefined) return true;
  return other.ref !== undefined && coversText(one.ref, other.ref);
};

const splitRef = (resource: string): { readonly repository: string; readonly ref?: string } => {
  const at = resource.indexOf('#');
  return at < 0
    ? { repository: resource }
    : { repository: resource.slice(0, at), ref: resource.slice(at + 1) };
};

/**
 * Whether the text consists of the parts between the stars of the pattern, in order, with any text between them.
 * The text is a pattern, too: its `*` is any number of characters, so that no `?` covers it.
 */
export const coversText = (pattern: string, text: string): boolean => {
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop();
  if (tail === undefined) return head.length === text.length && coversAt(head, text, 0);
  const end = text.length - tail.length;
  if (end < head.length || !coversAt(head, text, 0) || !coversAt(tail, text, end)) return false;
  let at = head.length;
  for (const part of rest) {
    while (at + part.length <= end && !coversAt(part, text, at)) at += 1;
    if (at + part.length > end) return false;
    at += part.length;
  }
  return true;
};

const coversAt = (part: string, text: string, at: number): boolean => {
  for (let index = 0; index < part.length; index += 1) {
    const [one, other] = [part[index], text[at + index]];
    if (one !== other && (one !== '?' || other === '*')) return false;
  }
  return true;
};
