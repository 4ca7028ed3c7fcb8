/**
 * Whether some text matches both patterns, where `*` matches any characters and `?` any one character.
 * A text without wildcards is a pattern that matches only itself, so this is also plain matching.
 *
 * If both patterns contain a `*`, only the parts before their first and after their last `*` must be
 * compatible: each `*` can match the other pattern's middle. The time is at most the product of the two
 * lengths.
 */
export const patternsOverlap = (one: string, other: string): boolean => {
  if (other === '*' || one === other) return true;
  const [ones, others] = [one.split('*'), other.split('*')];
  if (ones.length === 1) return matchesSegments(others, one);
  if (others.length === 1) return matchesSegments(ones, other);
  const [head, otherHead] = sortByLength(ones[0] ?? '', others[0] ?? '');
  const [tail, otherTail] = sortByLength(ones.at(-1) ?? '', others.at(-1) ?? '');
  return (
    matchesAt(head, otherHead, 0) && matchesAt(tail, otherTail, otherTail.length - tail.length)
  );
};

/** Whether `fixed`, which may contain `?`, consists of the segments in order with any text between them. */
const matchesSegments = (parts: readonly string[], fixed: string): boolean => {
  const [head = '', ...rest] = parts;
  const tail = rest.pop();
  if (tail === undefined) return head.length === fixed.length && matchesAt(head, fixed, 0);
  const end = fixed.length - tail.length;
  if (end < head.length || !matchesAt(head, fixed, 0) || !matchesAt(tail, fixed, end)) return false;
  let at = head.length;
  for (const part of rest) {
    while (at + part.length <= end && !matchesAt(part, fixed, at)) at += 1;
    if (at + part.length > end) return false;
    at += part.length;
  }
  return true;
};

const matchesAt = (part: string, fixed: string, at: number): boolean => {
  for (let index = 0; index < part.length; index += 1) {
    const [one, other] = [part.charCodeAt(index), fixed.charCodeAt(at + index)];
    if (one !== other && one !== QUESTION_MARK && other !== QUESTION_MARK) return false;
  }
  return true;
};

const QUESTION_MARK = 0x3f;

const sortByLength = (one: string, other: string): readonly [string, string] =>
  one.length <= other.length ? [one, other] : [other, one];

/**
 * Whether a literal text matches a pattern. Unlike {@link patternsOverlap}, `*` and `?` in the text are
 * characters: the keys of objects may contain them.
 */
export const matchesPattern = (pattern: string, text: string): boolean => {
  let [at, textAt, star, starText] = [0, 0, -1, 0];
  while (textAt < text.length) {
    const expected = pattern[at];
    if (expected === '*') {
      [star, starText] = [at, textAt];
      at += 1;
    } else if (expected === '?' || expected === text[textAt]) {
      at += 1;
      textAt += 1;
    } else if (star >= 0) {
      // The last star takes one character more; earlier stars need not be tried again.
      starText += 1;
      [at, textAt] = [star + 1, starText];
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
};
