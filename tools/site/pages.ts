import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { listAnchors, listLinks, mapLinks } from './markdown.ts';

export const repositoryFolder = join(import.meta.dirname, '..', '..');

/** The source of the site's first page. Its links are relative, as in `docs/`. */
export const LANDING_PAGE = 'tools/site/landing.md';

/** The list of all pages by reader: the site's navigation follows it. */
export const CONTENTS_PAGE = 'docs/README.md';

/** A page of the repository. */
export type Page = {
  /** From the repository's root: `docs/runbooks/README.md`. */
  readonly path: string;
  readonly text: string;
};

/** Reads a page by its path in the repository. */
export const readPage = (path: string): Page => ({
  path,
  text: readFileSync(join(repositoryFolder, path), 'utf8'),
});

/** All pages of `docs/`, and the landing page. */
export const readPages = (): readonly Page[] =>
  [...globSync('docs/**/*.md', { cwd: repositoryFolder }).sort(), LANDING_PAGE].map(readPage);

/** All other pages of the repository, which the site links to: README.md, SECURITY.md, those of the chart. */
export const readOtherPages = (): readonly Page[] =>
  ['*.md', '{bench,charts,cmd,demo,e2e,fuzz,lib,manifests,test,tools}/**/*.md']
    .flatMap((pattern) => globSync(pattern, { cwd: repositoryFolder }))
    .filter((path) => path !== LANDING_PAGE)
    .sort()
    .map(readPage);

/** Where a page is in the site's sources: `runbooks/index.md`. */
export const toSitePath = (path: string): string => {
  if (path === LANDING_PAGE) return 'index.md';
  if (path === CONTENTS_PAGE) return 'contents.md';
  return posix.relative('docs', path).replace(/README\.md$/, 'index.md');
};

/** Where a link of a page leads. */
export type Target =
  | { readonly kind: 'url' | 'anchor' | 'missing'; readonly link: string }
  | { readonly kind: 'page' | 'image' | 'file'; readonly path: string; readonly anchor: string };

const isPage = (path: string): boolean =>
  path === LANDING_PAGE || (path.startsWith('docs/') && path.endsWith('.md'));

/** Resolves a link of the page at `path`: to a page or an image of the site, or to another file of the repository. */
export const resolveLink = (path: string, link: string): Target => {
  if (/^[a-z]+:/.test(link)) return { kind: 'url', link };
  if (link.startsWith('#')) return { kind: 'anchor', link };
  const [file = '', anchor = ''] = link.split('#');
  const target = posix.join(posix.dirname(path), file).replace(/\/$/, '');
  if (target.startsWith('..') || !existsSync(join(repositoryFolder, target))) {
    return { kind: 'missing', link };
  }
  if (isPage(target)) return { kind: 'page', path: target, anchor };
  const isImage = target.startsWith('docs/') && /\.(?:png|svg)$/.test(target);
  return { kind: isImage ? 'image' : 'file', path: target, anchor };
};

/** The repository as package.json names it, and the branch or tag whose files the site links to. */
export type Repository = { readonly url: string; readonly ref: string };

/** @throws Error if package.json names no repository with an https URL */
export const readRepositoryUrl = (manifest: { readonly repository?: unknown }): string => {
  const { url } = (manifest.repository ?? {}) as { readonly url?: unknown };
  const found = /^git\+(?<page>https:\/\/.+)\.git$/.exec(String(url))?.groups?.['page'];
  if (found === undefined) {
    throw new Error(`package.json: repository.url: expected git+https://….git, got ${String(url)}`);
  }
  return found;
};

/** The address of a file or a folder of the repository. */
export const toRepositoryUrl = (path: string, { url, ref }: Repository): string => {
  const isFolder = statSync(join(repositoryFolder, path)).isDirectory();
  return `${url}/${isFolder ? 'tree' : 'blob'}/${ref}/${path}`;
};

const withAnchor = (address: string, anchor: string): string =>
  anchor === '' ? address : `${address}#${anchor}`;

/** A link as the site has it: pages by their place in the site, other files at the repository. */
export const toSiteLink = (target: Target, repository: Repository): string => {
  if (!('path' in target)) return target.link;
  const { kind, path, anchor } = target;
  if (kind === 'file') return withAnchor(toRepositoryUrl(path, repository), anchor);
  return withAnchor(
    `/${kind === 'page' ? toSitePath(path) : posix.relative('docs', path)}`,
    anchor,
  );
};

/** The text of a page in the site's sources: the page with its links replaced. */
export const renderSitePage = ({ path, text }: Page, repository: Repository): string =>
  mapLinks(text, (link) => toSiteLink(resolveLink(path, link), repository));

/** Anchors of any page of the repository, each read once. */
const createAnchorLookup = (pages: readonly Page[]) => {
  const lists = new Map(pages.map(({ path, text }) => [path, listAnchors(text)]));
  return (path: string, anchor: string): boolean => {
    const anchors = lists.get(path) ?? listAnchors(readPage(path).text);
    lists.set(path, anchors);
    return anchors.includes(anchor);
  };
};

/** The links of pages that lead to no file of the repository, or to no heading of a page of it. */
export const findBrokenLinks = (pages: readonly Page[]): readonly string[] => {
  const hasAnchor = createAnchorLookup(pages);
  const isBroken = (page: string, link: string): boolean => {
    const target = resolveLink(page, link);
    if (target.kind === 'anchor') return !hasAnchor(page, link.slice(1));
    if (!('path' in target)) return target.kind === 'missing';
    const { path, anchor } = target;
    return anchor !== '' && !(path.endsWith('.md') && hasAnchor(path, anchor));
  };
  return pages.flatMap(({ path, text }) =>
    listLinks(text)
      .filter((link) => isBroken(path, link))
      .map((link) => `${path}: ${link}`),
  );
};
