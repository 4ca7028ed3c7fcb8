import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

/** What was found in a built site. */
export type SiteCheck = {
  readonly pageCount: number;
  readonly linkCount: number;
  /** Broken links, and what a page would load from another host. */
  readonly problems: readonly string[];
};

type Reference = { readonly tag: string; readonly address: string };

const REFERENCE =
  /<(?<tag>[a-z]+)\b[^>]*?\s(?:href|src)=(?:"(?<quoted>[^"]*)"|(?<bare>[^\s"'>]+))/g;

const listReferences = (html: string): readonly Reference[] =>
  Array.from(html.matchAll(REFERENCE), ({ groups = {} }) => ({
    tag: groups['tag'] ?? '',
    address: (groups['quoted'] ?? groups['bare'] ?? '').replaceAll('&amp;', '&'),
  }));

const listIds = (html: string): ReadonlySet<string> =>
  new Set(
    Array.from(
      html.matchAll(/\sid=(?:"(?<quoted>[^"]*)"|(?<bare>[^\s"'>]+))/g),
      ({ groups = {} }) => groups['quoted'] ?? groups['bare'] ?? '',
    ),
  );

/**
 * Checks the built pages below `folder`, which is served below the path `base`: each address of the site is a file,
 * each anchor an element of its page, and nothing but links names another host.
 */
export const checkSite = (folder: string, base: string): SiteCheck => {
  const paths = globSync('**/*.html', { cwd: folder }).sort();
  const pages = new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
  const ids = new Map(Array.from(pages, ([path, html]) => [path, listIds(html)]));

  const findFile = (path: string): string | undefined =>
    [path, posix.join(path, 'index.html'), `${path}.html`].find((name) => {
      const file = join(folder, name);
      return existsSync(file) && statSync(file).isFile();
    });

  const isBroken = (page: string, { tag, address }: Reference): boolean => {
    if (/^[a-z]+:|^\/\//.test(address)) return tag !== 'a' && !address.startsWith('data:');
    const [location = '', anchor = ''] = address.split('#').map(decodeURIComponent);
    const isAbsolute = location.startsWith('/');
    if (isAbsolute && !location.startsWith(base)) return true;
    const path = isAbsolute
      ? location.slice(base.length)
      : posix.join(posix.dirname(page), location);
    const file = location === '' ? page : findFile(path);
    if (file === undefined) return true;
    return anchor !== '' && ids.get(file)?.has(anchor) !== true;
  };

  const references = Array.from(pages, ([page, html]) => ({ page, found: listReferences(html) }));
  return {
    pageCount: pages.size,
    linkCount: references.reduce((sum, { found }) => sum + found.length, 0),
    problems: references.flatMap(({ page, found }) =>
      found
        .filter((reference) => isBroken(page, reference))
        .map(({ tag, address }) => `${page}: <${tag}> ${address}`),
    ),
  };
};
