import { execFileSync } from 'node:child_process';
import {
  cpSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'vitepress';
import type { SiteData } from './config.ts';
import { checkSite } from './built-site.ts';
import { buildNavigation, findUnlistedPages } from './navigation.ts';
import {
  findBrokenLinks,
  readPages,
  readRepositoryUrl,
  renderSitePage,
  repositoryFolder,
  toSitePath,
} from './pages.ts';
import type { Page, Repository } from './pages.ts';
import { checkOutVersion, listEarlierVersions, listTags, listVersionLinks } from './versions.ts';
import type { EarlierVersion, VersionLink } from './versions.ts';

const HELP = `Build docs/ and a landing page into a static site.

  node tools/site/main.ts [--base PATH] [--ref REF] [--out FOLDER] [--versions JSON]

--base      the path below which the site is served (default: /)
--ref       the branch or tag whose files the site links to (default: main)
--out       where the site is written (default: dist/site)
--versions  the entries of the switch between versions; without it, earlier versions are built from their tags, v0.1.2
            below v0.1/, and the switch has all of them

Broken links, pages that docs/README.md does not list, and anything that a page would load from another host fail the
build. Exit status 1: problems found.
`;

const STEPS = 5;

const announce = (step: number, text: string): void => console.log(`[${step}/${STEPS}] ${text}`);

/** @throws Error that lists the problems, if there are any */
const requireNone = (what: string, problems: readonly string[]): void => {
  if (problems.length > 0) throw new Error(`${what}:\n  ${problems.join('\n  ')}`);
};

/** Writes the sources of the site: pages with links of the site, images, configuration and theme. */
const writeSources = (
  folder: string,
  { pages, data }: { readonly pages: readonly Page[]; readonly data: SiteData },
): void => {
  rmSync(folder, { recursive: true, force: true });
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  for (const page of pages) write(toSitePath(page.path), renderSitePage(page, data.repository));
  const images = globSync('docs/**/*.{png,svg}', { cwd: repositoryFolder });
  for (const image of images) {
    cpSync(join(repositoryFolder, image), join(folder, 'public', relative('docs', image)));
  }
  const mermaid = join(repositoryFolder, 'node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js');
  cpSync(mermaid, join(folder, 'public/mermaid.js'));
  cpSync(join(import.meta.dirname, 'theme'), join(folder, '.vitepress/theme'), { recursive: true });
  const configuration = join(import.meta.dirname, 'config.ts');
  write(
    '.vitepress/config.mjs',
    `import { createSiteConfig } from ${JSON.stringify(configuration)};
export default createSiteConfig(${JSON.stringify(data)});
`,
  );
};

const measure = (folder: string): number =>
  globSync('**/*', { cwd: folder })
    .map((path) => statSync(join(folder, path)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);

/** Builds an earlier version below its path of the site, which exists. */
const buildEarlierVersion = (
  version: EarlierVersion,
  options: { base: string; out: string; versions: readonly VersionLink[] },
): void => {
  const folder = join(repositoryFolder, 'dist', 'site-versions', version.name);
  checkOutVersion(version, { repository: repositoryFolder, folder });
  const program = join(folder, 'tools', 'site', 'main.ts');
  const { base, out, versions } = options;
  const where = ['--base', `${base}${version.name}/`, '--out', join(resolve(out), version.name)];
  const links = ['--ref', version.tag, '--versions', JSON.stringify(versions)];
  execFileSync(process.execPath, [program, ...where, ...links], { stdio: 'inherit' });
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      base: { type: 'string', default: '/' },
      ref: { type: 'string', default: 'main' },
      out: { type: 'string', default: join(repositoryFolder, 'dist', 'site') },
      versions: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (!/^\/(?:[^ ]*\/)?$/.test(values.base)) {
    throw new Error(`--base: expected a path with a slash at both ends, got ${values.base}`);
  }
  const manifest = JSON.parse(readFileSync(join(repositoryFolder, 'package.json'), 'utf8')) as {
    readonly version: string;
    readonly repository?: unknown;
  };
  const repository: Repository = { url: readRepositoryUrl(manifest), ref: values.ref };
  const tags = listTags(repositoryFolder);
  const earlier = values.versions === undefined ? listEarlierVersions(tags, manifest.version) : [];
  const versions =
    values.versions === undefined
      ? listVersionLinks({ version: manifest.version, tags, base: values.base }, earlier)
      : (JSON.parse(values.versions) as readonly VersionLink[]);
  const pages = readPages();
  announce(1, `check the links of ${pages.length} pages, and the navigation`);
  const navigation = buildNavigation(pages, repository);
  requireNone('broken links', findBrokenLinks(pages));
  requireNone('not in docs/README.md', findUnlistedPages(pages, navigation));

  const sources = join(repositoryFolder, 'dist', 'site-sources');
  announce(2, `write the sources to ${relative(repositoryFolder, sources)}`);
  const data: SiteData = {
    version: manifest.version,
    versions,
    base: values.base,
    outputFolder: values.out,
    cacheFolder: join(repositoryFolder, 'dist', 'site-cache'),
    repository,
    navigation,
  };
  writeSources(sources, { pages, data });

  announce(3, 'build the site with VitePress (up to two minutes)');
  await build(sources);

  announce(4, 'check each link of the built pages');
  const { pageCount, linkCount, problems } = checkSite(values.out, values.base);
  requireNone('problems of the built site', problems);

  announce(5, `build ${earlier.length} earlier versions from their tags`);
  for (const version of earlier) buildEarlierVersion(version, { ...values, versions });
  const megabytes = (measure(values.out) / 1e6).toFixed(1);
  console.log(
    `Site of version ${manifest.version}: ${pageCount} pages, ${linkCount} links, ${megabytes} MB in ${relative(process.cwd(), values.out)}. Serve it with any web server, or: npx vitepress preview ${relative(process.cwd(), sources)}`,
  );
};

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
