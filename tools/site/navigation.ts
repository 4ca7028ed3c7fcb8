import { posix } from 'node:path';
import { listLinks, readTitle } from './markdown.ts';
import { CONTENTS_PAGE, LANDING_PAGE, resolveLink, toSiteLink, toSitePath } from './pages.ts';
import type { Page, Repository } from './pages.ts';

/** An entry of the site's navigation, as VitePress takes it. */
export type NavigationItem = {
  readonly text: string;
  readonly link?: string;
  readonly collapsed?: boolean;
  readonly items?: readonly NavigationItem[];
};

const SECTION = /^## (?<title>[^\n]+)\n(?<list>.*?)(?=^## |$(?![^]))/gms;
const ENTRY = /\[(?<label>[^\]]+)\]\((?<link>[^)\s]+)\)/g;

/** The pages beside the README.md of a folder: first those that it links to, in its order, then all others. */
const listFolder = (index: Page, pages: readonly Page[]): readonly Page[] => {
  const folder = posix.dirname(index.path);
  const beside = pages.filter(({ path }) => posix.dirname(path) === folder && path !== index.path);
  const order = listLinks(index.text);
  const rank = ({ path }: Page): number =>
    (order.indexOf(posix.basename(path)) + order.length + 1) % (order.length + 1);
  return beside.toSorted((a, b) => rank(a) - rank(b));
};

const toItem = (
  { label, link }: { readonly label: string; readonly link: string },
  { pages, repository }: { readonly pages: readonly Page[]; readonly repository: Repository },
): NavigationItem => {
  const target = resolveLink(CONTENTS_PAGE, link);
  const item = { text: label, link: toSiteLink(target, repository) };
  if (target.kind !== 'page' || !/^docs\/.+\/README\.md$/.test(target.path)) return item;
  const index = pages.find(({ path }) => path === target.path);
  const items = (index === undefined ? [] : listFolder(index, pages)).map((page) => ({
    text: readTitle(page.path, page.text),
    link: `/${toSitePath(page.path)}`,
  }));
  return { ...item, collapsed: true, items };
};

/** The navigation by reader: the sections of docs/README.md with their links, and folders with their pages. */
export const buildNavigation = (
  pages: readonly Page[],
  repository: Repository,
): readonly NavigationItem[] => {
  const contents = pages.find(({ path }) => path === CONTENTS_PAGE)?.text ?? '';
  return Array.from(contents.matchAll(SECTION), ({ groups = {} }) => ({
    text: groups['title'] ?? '',
    collapsed: false,
    items: Array.from(
      (groups['list'] ?? '').matchAll(ENTRY),
      ({ groups: { label = '', link = '' } = {} }) =>
        toItem({ label, link }, { pages, repository }),
    ),
  }));
};

const listItemLinks = (items: readonly NavigationItem[]): readonly string[] =>
  items.flatMap(({ link, items: nested = [] }) => [
    ...(link === undefined ? [] : [link.replace(/#.*/, '')]),
    ...listItemLinks(nested),
  ]);

/** The pages of `docs/` that the navigation does not show. The list of all pages has a link of its own. */
export const findUnlistedPages = (
  pages: readonly Page[],
  navigation: readonly NavigationItem[],
): readonly string[] => {
  const links = new Set(listItemLinks(navigation));
  return pages
    .map(({ path }) => path)
    .filter((path) => path !== LANDING_PAGE && path !== CONTENTS_PAGE)
    .filter((path) => !links.has(`/${toSitePath(path)}`));
};
