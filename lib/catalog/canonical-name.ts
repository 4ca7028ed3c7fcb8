/**
 * Changes the case of a pattern to that of a name that it matches: `s3:get*` and `s3:GetObject` give
 * `s3:Get*`.
 *
 * @param pattern in lower case, with `*` as its only wildcard
 * @param name matches the pattern if case is ignored
 */
export const canonicalizeName = (pattern: string, name: string): string => {
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop();
  if (tail === undefined) return name;
  const lower = name.toLowerCase();
  let at = head.length;
  const middle = rest.map((part) => {
    const start = lower.indexOf(part, at);
    at = start + part.length;
    return name.slice(start, at);
  });
  return [name.slice(0, head.length), ...middle, name.slice(name.length - tail.length)].join('*');
};
