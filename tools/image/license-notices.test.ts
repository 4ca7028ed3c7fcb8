import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { renderNotices, findPackageFolder } from './license-notices.ts';

const root = mkdtempSync(join(tmpdir(), 'valetkey-notices-'));

const installPackage = (name: string, license: string): string => {
  const folder = join(root, 'node_modules', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version: '1.2.3', license }));
  writeFileSync(join(folder, 'LICENSE'), `the licence of ${name}\n`);
  return join(folder, 'dist', 'index.js');
};

describe('renderNotices', () => {
  it('lists each package once, with its license and the license text', () => {
    const [one, two] = [installPackage('one', 'MIT'), installPackage('@scope/two', 'Apache-2.0')];
    const notices = renderNotices([one, one, two, join(root, 'lib', 'ours.ts')]);
    expect(notices.match(/^\S+ 1\.2\.3 \(.*\)$/gm)).toEqual([
      '@scope/two 1.2.3 (Apache-2.0)',
      'one 1.2.3 (MIT)',
    ]);
    expect(notices).toContain('the licence of @scope/two');
  });

  it('rejects a package whose license is not allowed and names it', () => {
    const paths = [installPackage('copyleft', 'AGPL-3.0'), installPackage('fine', 'ISC')];
    expect(() => renderNotices(paths)).toThrow(/copyleft: expected one of .*, got AGPL-3.0/);
  });

  it('finds the innermost package of a file', () => {
    expect(findPackageFolder('/a/node_modules/b/node_modules/@c/d/e.js')).toBe(
      '/a/node_modules/b/node_modules/@c/d',
    );
    expect(findPackageFolder('/a/lib/b.ts')).toBeUndefined();
  });
});
