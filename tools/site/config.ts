import type { DefaultTheme, UserConfig } from 'vitepress';
import { toAnchor } from './markdown.ts';
import type { NavigationItem } from './navigation.ts';
import type { Repository } from './pages.ts';
import type { VersionLink } from './versions.ts';

/** What the configuration of the site depends on. */
export type SiteData = {
  readonly version: string;
  /** The versions that the reader can switch between. */
  readonly versions: readonly VersionLink[];
  /** The path below which a web server serves the site, with a slash at both ends. */
  readonly base: string;
  readonly outputFolder: string;
  readonly cacheFolder: string;
  readonly repository: Repository;
  readonly navigation: readonly NavigationItem[];
};

/** Fenced blocks that the page draws after it loaded. Without scripts, a reader sees their source. */
const DIAGRAM_LANGUAGE = 'mermaid';

/** The theme's configuration, with what the switch between versions shows. */
type ThemeConfig = DefaultTheme.Config & { readonly versions: readonly VersionLink[] };

/** The configuration of VitePress. Links to missing pages fail the build, which is its default. */
export const createSiteConfig = (data: SiteData): UserConfig<ThemeConfig> => ({
  title: 'Valetkey',
  description:
    'Cloud access for one declared task, for minutes: valet keys for AI agents in Kubernetes',
  lang: 'en-US',
  base: data.base,
  outDir: data.outputFolder,
  cacheDir: data.cacheFolder,
  // Times of commits differ between clones.
  lastUpdated: false,
  metaChunk: true,
  // No icon: browsers would ask for /favicon.ico.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  // The index of the search is one file.
  vite: { build: { chunkSizeWarningLimit: 4000 } },
  markdown: {
    // The docs write <name> for what readers replace.
    html: false,
    linkify: false,
    // VitePress has no grammar of Cedar; Rust's has the same paths, strings and annotations.
    languageAlias: { cedar: 'rust', cedarschema: 'rust' },
    anchor: { slugify: toAnchor },
    config: (markdown) => {
      const { fence } = markdown.renderer.rules;
      markdown.renderer.rules.fence = (tokens, index, options, environment, self) => {
        const token = tokens[index];
        if (token?.info.trim() === DIAGRAM_LANGUAGE) {
          return `<pre class="diagram" v-pre>${markdown.utils.escapeHtml(token.content)}</pre>\n`;
        }
        return fence?.(tokens, index, options, environment, self) ?? '';
      };
      // Vue would evaluate braces in prose.
      markdown.renderer.rules.text = (tokens, index) =>
        markdown.utils.escapeHtml(tokens[index]?.content ?? '').replaceAll('{{', '&#123;&#123;');
    },
  },
  themeConfig: {
    siteTitle: 'Valetkey',
    search: { provider: 'local' },
    outline: [2, 3],
    versions: data.versions,
    nav: [
      { text: 'Quick start', link: '/quickstart' },
      { text: 'All pages', link: '/contents' },
      {
        text: 'Changelog',
        link: `${data.repository.url}/blob/${data.repository.ref}/CHANGELOG.md`,
      },
    ],
    sidebar: data.navigation as DefaultTheme.SidebarItem[],
    footer: { message: `Valetkey ${data.version} · Apache-2.0` },
    socialLinks: [{ icon: 'github', link: data.repository.url }],
  },
});
