import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { checkSite } from './built-site.ts';
import { listAnchors, listLinks, mapLinks, toAnchor } from './markdown.ts';
import { buildNavigation, findUnlistedPages } from './navigation.ts';
import {
  findBrokenLinks,
  LANDING_PAGE,
  readOtherPages,
  readPage,
  readPages,
  readRepositoryUrl,
  renderSitePage,
  repositoryFolder,
  resolveLink,
  toSiteLink,
} from './pages.ts';

const pages = readPages();
const repository = { url: 'https://git.example/valetkey', ref: 'v1' };
const landing = readPage(LANDING_PAGE);

const readShellBlocks = (text: string): readonly string[] =>
  Array.from(
    text.matchAll(/^```sh\n(?<code>.*?)^```$/gms),
    ({ groups = {} }) => groups['code'] ?? '',
  );

describe('the navigation of the site', () => {
  const navigation = buildNavigation(pages, repository);

  it('shows every page of docs/', () => {
    expect(findUnlistedPages(pages, navigation)).toEqual([]);
  });

  it('has a section for each reader of docs/README.md, in its order', () => {
    const sections = readPage('docs/README.md').text.match(/(?<=^## ).+/gm);
    expect(navigation.map(({ text }) => text)).toEqual(sections);
  });

  it('shows the pages of a folder below its list', () => {
    const entries = navigation.flatMap(({ items = [] }) => items);
    const runbooks = entries.find(({ link }) => link === '/runbooks/index.md');
    expect(runbooks?.items?.[0]).toEqual({
      text: 'ValetkeyWebhookAbsent',
      link: '/runbooks/ValetkeyWebhookAbsent.md',
    });
  });

  it('reports a page that docs/README.md does not list', () => {
    const added = [...pages, { path: 'docs/added.md', text: '# Added' }];
    expect(findUnlistedPages(added, buildNavigation(added, repository))).toEqual(['docs/added.md']);
  });
});

describe('the first page of the site', () => {
  it('has the three commands of docs/quickstart.md', () => {
    const [commands] = readShellBlocks(readPage('docs/quickstart.md').text);
    expect(readShellBlocks(landing.text)).toEqual([commands]);
    const names = commands?.match(/^\w+/gm);
    expect(names).toEqual(['helm', 'kubectl', 'kubectl']);
  });

  it('has only links that lead somewhere', () => {
    const kinds = new Set(
      listLinks(landing.text).map((link) => resolveLink(LANDING_PAGE, link).kind),
    );
    expect([...kinds].sort()).toEqual(['file', 'page', 'url']);
    expect(findBrokenLinks(pages).filter((found) => found.startsWith(LANDING_PAGE))).toEqual([]);
  });

  it('names a source for each product in its comparison', () => {
    const [header = ''] = /^\|.*Valetkey.*\|$/m.exec(landing.text) ?? [];
    const columns = header.split('|').slice(3, -1);
    expect(columns).toHaveLength(4);
    for (const column of columns) expect(column).toMatch(/\]\(https:\/\//);
  });
});

describe('links of the documentation', () => {
  it('lead to files that exist and to headings of their pages', () => {
    expect(findBrokenLinks(pages)).toEqual([]);
  });

  it('lead to files and headings from pages that are not of the site, too', () => {
    const others = readOtherPages();
    expect(others.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['CONTRIBUTING.md', 'README.md', 'SECURITY.md']),
    );
    expect(findBrokenLinks(others)).toEqual([]);
  });

  it('are reported if the file or the heading does not exist', () => {
    const text =
      '# Here\n[a](missing.md) [b](cli.md#no-such-heading) [c](#here) [d](#there) [e](cli.md) [f](../README.md#limits) [g](../README.md#none) [h](../LICENSE#none)';
    expect(findBrokenLinks([{ path: 'docs/a.md', text }])).toEqual([
      'docs/a.md: missing.md',
      'docs/a.md: cli.md#no-such-heading',
      'docs/a.md: #there',
      'docs/a.md: ../README.md#none',
      'docs/a.md: ../LICENSE#none',
    ]);
  });

  it.each([
    ['docs/a.md', 'cli.md#exit-status', '/cli.md#exit-status'],
    ['docs/runbooks/README.md', '../cli.md', '/cli.md'],
    ['docs/a.md', 'runbooks/README.md', '/runbooks/index.md'],
    ['docs/cli.md', 'README.md', '/contents.md'],
    [
      'docs/a.md',
      '../SECURITY.md#report',
      'https://git.example/valetkey/blob/v1/SECURITY.md#report',
    ],
    ['docs/a.md', '../test/cases', 'https://git.example/valetkey/tree/v1/test/cases'],
    ['docs/a.md', 'images/console-approval.png', '/images/console-approval.png'],
    ['docs/a.md', 'https://example.com/x.md', 'https://example.com/x.md'],
    ['docs/a.md', '#here', '#here'],
    [LANDING_PAGE, '../../docs/cli.md', '/cli.md'],
  ])('of %s: %s becomes %s', (path, link, expected) => {
    expect(toSiteLink(resolveLink(path, link), repository)).toBe(expected);
  });

  it('are not replaced in code', () => {
    const text = '`a[0](cli.md)` [b](cli.md)\n```text\n[c](cli.md)\n```\n[`d`](cli.md)';
    expect(renderSitePage({ path: 'docs/a.md', text }, repository)).toBe(
      '`a[0](cli.md)` [b](/cli.md)\n```text\n[c](cli.md)\n```\n[`d`](/cli.md)',
    );
    expect(mapLinks(text, (link) => link)).toBe(text);
  });

  it('name the repository of package.json', () => {
    const manifest = JSON.parse(
      readFileSync(join(repositoryFolder, 'package.json'), 'utf8'),
    ) as object;
    expect(readRepositoryUrl(manifest)).toMatch(/^https:\/\/[^ ]+\/valetkey$/);
    expect(() => readRepositoryUrl({})).toThrow('repository.url: expected');
  });
});

describe('anchors', () => {
  it.each([
    ['Find the reason if it does not work', 'find-the-reason-if-it-does-not-work'],
    ['List tasks: `tasks`', 'list-tasks-tasks'],
    ['POST /v1/runs', 'post-v1runs'],
    ['a - b_c', 'a---b_c'],
  ])('are those of GitHub: %s', (heading, anchor) => {
    expect(toAnchor(heading.replaceAll('`', ''))).toBe(anchor);
    expect(listAnchors(`## ${heading}`)).toEqual([anchor]);
  });

  it('are numbered if they are equal, and none is in code', () => {
    expect(listAnchors('# A\n```sh\n# comment\n```\n## [A](b.md)\n')).toEqual(['a', 'a-1']);
  });
});

describe('the check of the built site', () => {
  const folder = mkdtempSync(join(tmpdir(), 'site-'));
  const write = (files: Readonly<Record<string, string>>): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  };
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('accepts links to pages, assets, anchors and other hosts', () => {
    write({
      'index.html':
        '<a href="/docs/a.html#top">a</a><a href="https://example.com/">b</a><script src="/docs/x.js"></script>',
      'a.html': '<h1 id="top">A</h1><a href="#top">top</a><a class="x" href="./">home</a>',
      'x.js': '',
    });
    expect(checkSite(folder, '/docs/')).toEqual({ pageCount: 2, linkCount: 5, problems: [] });
  });

  it('reports broken links and anchors, what is outside of its path, and what is loaded from other hosts', () => {
    write({
      'index.html':
        '<a href="/docs/b.html">b</a><a href="#none">c</a><a href="/a">d</a><img alt="" src="https://example.com/x.png">',
    });
    expect(checkSite(folder, '/docs/').problems).toEqual([
      'index.html: <a> /docs/b.html',
      'index.html: <a> #none',
      'index.html: <a> /a',
      'index.html: <img> https://example.com/x.png',
    ]);
  });
});
