/**
 * Whether some text matches both patterns, where `*` is any run of characters and `?` any one. A
 * text without either is a pattern too, so this is also plain matching.
 *
 * Where both hold a `*` only what stands before the first and after the last must agree: each can
 * swallow the other's middle. The work is at most the product of the two lengths.
 */
export const patternsMeet = (one: string, other: string): boolean => {
  if (other === '*' || one === other) return true;
  const [ones, others] = [one.split('*'), other.split('*')];
  if (ones.length === 1) return fits(others, one);
  if (others.length === 1) return fits(ones, other);
  const [head, otherHead] = byLength(ones[0] ?? '', others[0] ?? '');
  const [tail, otherTail] = byLength(ones.at(-1) ?? '', others.at(-1) ?? '');
  return agree(head, otherHead, 0) && agree(tail, otherTail, otherTail.length - tail.length);
};

/** Whether the parts, in order and with anything between them, make up `fixed` (which may hold `?`). */
const fits = (parts: readonly string[], fixed: string): boolean => {
  const [head = '', ...rest] = parts;
  const tail = rest.pop();
  if (tail === undefined) return head.length === fixed.length && agree(head, fixed, 0);
  const end = fixed.length - tail.length;
  if (end < head.length || !agree(head, fixed, 0) || !agree(tail, fixed, end)) return false;
  let at = head.length;
  for (const part of rest) {
    while (at + part.length <= end && !agree(part, fixed, at)) at += 1;
    if (at + part.length > end) return false;
    at += part.length;
  }
  return true;
};

const agree = (part: string, fixed: string, at: number): boolean => {
  for (let index = 0; index < part.length; index += 1) {
    const [one, other] = [part.charCodeAt(index), fixed.charCodeAt(at + index)];
    if (one !== other && one !== QUESTION_MARK && other !== QUESTION_MARK) return false;
  }
  return true;
};

const QUESTION_MARK = 0x3f;

const byLength = (one: string, other: string): readonly [string, string] =>
  one.length <= other.length ? [one, other] : [other, one];
