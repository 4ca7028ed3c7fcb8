/**
 * Whether a whole text matches an IAM pattern: `*` is any run of characters, `?` is one. Linear in
 * the text for each star, so a hostile pattern costs little.
 */
export const matchesWildcards = (pattern: string, text: string): boolean => {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    if (pattern[inPattern] === '*') {
      star = inPattern++;
      resume = at;
    } else if (pattern[inPattern] === '?' || pattern[inPattern] === text[at]) {
      inPattern++;
      at++;
    } else if (star >= 0) {
      inPattern = star + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[inPattern] === '*') inPattern++;
  return inPattern === pattern.length;
};
