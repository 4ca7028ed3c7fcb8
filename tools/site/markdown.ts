/** Code of a page, in blocks and in lines: what looks like a link in it is none. */
const CODE = /^ *```.*?^ *```$|(?<ticks>`+)[^\n]*?[^`\n]\k<ticks>(?!`)/gms;
const LINK = /(?<before>\]\()(?<target>[^)\s]+)(?<after>\))/g;

/** Maps what is not code. The pieces between code are mapped one by one, from first to last. */
const mapProse = (text: string, map: (prose: string) => string): string => {
  let result = '';
  let end = 0;
  for (const code of text.matchAll(CODE)) {
    result += map(text.slice(end, code.index)) + code[0];
    end = code.index + code[0].length;
  }
  return result + map(text.slice(end));
};

/** Replaces the target of each inline link and image of a page: `(target)` becomes `(replace(target))`. */
export const mapLinks = (text: string, replace: (target: string) => string): string =>
  mapProse(text, (prose) =>
    prose.replaceAll(
      LINK,
      (_, before: string, target: string, after: string) => before + replace(target) + after,
    ),
  );

/** The targets of the links and images of a page, in their order. */
export const listLinks = (text: string): readonly string[] => {
  const links: string[] = [];
  mapLinks(text, (target) => {
    links.push(target);
    return target;
  });
  return links;
};

/** The anchor that GitHub gives a heading. The site uses the same, so that links work in both. */
export const toAnchor = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-');

/** What a reader sees of a heading: without marks, and of links the text alone. */
const toVisibleText = (heading: string): string =>
  heading.replaceAll(/\[(?<label>[^\]]*)\]\([^)]*\)/g, '$<label>').replaceAll(/`|\*\*/g, '');

const listHeadings = (text: string): readonly string[] =>
  Array.from(
    text.replaceAll(/^ *```.*?^ *```$/gms, '').matchAll(/^#{1,6} (?<heading>.+)$/gm),
    ({ groups = {} }) => toVisibleText(groups['heading'] ?? ''),
  );

/** The anchors of a page. Of equal ones, the second gets `-1`, the third `-2`. */
export const listAnchors = (text: string): readonly string[] => {
  const counts = new Map<string, number>();
  return listHeadings(text).map((heading) => {
    const anchor = toAnchor(heading);
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
};

/** @throws Error if the page has no heading */
export const readTitle = (page: string, text: string): string => {
  const [title] = listHeadings(text);
  if (title === undefined) throw new Error(`${page}: expected a heading, got none`);
  return title;
};
