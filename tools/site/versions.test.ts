import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { repositoryFolder } from './pages.ts';
import { listEarlierVersions, listTags, listVersionLinks } from './versions.ts';

describe('listEarlierVersions', () => {
  it('returns the newest patch of each earlier minor version, from new to old', () => {
    const tags = ['v0.1.0', 'v0.1.10', 'v0.1.9', 'v0.2.0', 'v0.10.0', 'v1.0.0', 'v0.3.0-rc.1', 'x'];
    expect(listEarlierVersions(tags, '0.10.1')).toEqual([
      { name: 'v0.10', tag: 'v0.10.0' },
      { name: 'v0.2', tag: 'v0.2.0' },
      { name: 'v0.1', tag: 'v0.1.10' },
    ]);
  });

  it('returns none for a first version, with or without its own tag', () => {
    expect(listEarlierVersions([], '0.1.0')).toEqual([]);
    expect(listEarlierVersions(['v0.1.0'], '0.1.0')).toEqual([]);
  });
});

describe('listVersionLinks', () => {
  it('marks the current version as next until it has a tag', () => {
    const links = (tags: readonly string[]) =>
      listVersionLinks({ version: '0.2.0', tags, base: '/docs/' }, [
        { name: 'v0.1', tag: 'v0.1.3' },
      ]);
    expect(links([])).toEqual([
      { text: '0.2.0 (next)', base: '/docs/' },
      { text: '0.1.3', base: '/docs/v0.1/' },
    ]);
    expect(links(['v0.2.0'])[0]).toEqual({ text: '0.2.0', base: '/docs/' });
  });
});

describe('the site of a repository with a tag', () => {
  const folder = mkdtempSync(join(tmpdir(), 'versions-'));
  const out = join(folder, 'dist', 'site');
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args], {
      stdio: 'pipe',
    });
  const read = (path: string): string => readFileSync(join(out, path), 'utf8');

  const writeVersion = (version: string): void => {
    const repository = { type: 'git', url: 'git+https://git.example/valetkey.git' };
    const manifest = { name: 'x', version, type: 'module', repository };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    writeFileSync(
      join(folder, 'docs', 'README.md'),
      '# Pages\n\n## Try it\n\n- [A](quickstart.md): a page.\n',
    );
    writeFileSync(join(folder, 'docs', 'quickstart.md'), `# A\n\nText of ${version}.\n`);
    writeFileSync(
      join(folder, 'tools', 'site', 'landing.md'),
      `# Site\n\n[A](../../docs/quickstart.md)\n`,
    );
  };

  beforeAll(() => {
    mkdirSync(join(folder, 'docs'));
    mkdirSync(join(folder, 'tools', 'site'), { recursive: true });
    writeFileSync(join(folder, '.gitignore'), 'node_modules\ndist\n');
    writeVersion('0.1.4');
    git('init', '--quiet');
    git('add', '--all');
    git('commit', '--quiet', '--message', 'first');
    git('tag', 'v0.1.4');
    cpSync(join(repositoryFolder, 'tools', 'site'), join(folder, 'tools', 'site'), {
      recursive: true,
    });
    symlinkSync(join(repositoryFolder, 'node_modules'), join(folder, 'node_modules'));
    writeVersion('0.2.0');
    const options = { stdio: 'pipe', env: { PATH: process.env['PATH'] } } as const;
    execFileSync(process.execPath, [join(folder, 'tools', 'site', 'main.ts')], options);
  }, 120_000);

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('has the checkout at its root, and the pages of the tag below its version', () => {
    expect(listTags(folder)).toEqual(['v0.1.4']);
    expect(read('quickstart.html')).toContain('Text of 0.2.0.');
    expect(read('v0.1/quickstart.html')).toContain('Text of 0.1.4.');
    expect(existsSync(join(out, 'v0.2'))).toBe(false);
  });

  it.each([
    ['quickstart.html', '/'],
    ['v0.1/quickstart.html', '/v0.1/'],
  ])('lets the reader of %s switch between both', (page, base) => {
    const options = Array.from(
      read(page).matchAll(/<option value="([^"]+)"( selected)?>([^<]+)</g),
      ([, value, selected, text]) => ({ value, text, isSelected: selected !== undefined }),
    );
    expect(options.slice(0, 2)).toEqual([
      { value: '/', text: '0.2.0 (next)', isSelected: base === '/' },
      { value: '/v0.1/', text: '0.1.4', isSelected: base === '/v0.1/' },
    ]);
  });
});
