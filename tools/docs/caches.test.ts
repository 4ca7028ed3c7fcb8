import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..', '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const PAGE = read('docs/performance.md');
const SECTION = /\n## Caches\n(?<text>[\s\S]*?)\n## /.exec(PAGE)?.groups?.['text'] ?? '';
const ROWS = SECTION.split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (?:what|-)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

/** What has a bound or an age by its construction: other maps are state, not caches. */
const CACHE = /\bcreate(?:LruCache|TtlCache|JwksCache)[<(]|new WeakMap</;
/** The caches themselves, their users that only pass them on, and state of open connections. */
const EXEMPT = new Set([
  'lib/async/ttl-cache.ts',
  'lib/audit/file-exports.ts',
  'lib/edge/gateway/call-record.ts',
  'lib/edge/gateway/mcp-steps.ts',
  'lib/edge/http/connection-limits.ts',
  'lib/edge/http/gateway-listener.ts',
  'lib/edge/http/http2-sessions.ts',
  'lib/edge/http/local-listener.ts',
  'lib/edge/http/stream-limits.ts',
  'lib/exchange/caller-identification.ts',
  'lib/identity/signal-token.ts',
  'lib/identity/user-token.ts',
]);

describe('the list of caches in performance.md', () => {
  it('has each file that creates a cache', () => {
    const files = globSync('{lib,cmd}/**/*.ts', { cwd: ROOT }).filter(
      (file) => !/\.test\.ts$|\/fixtures\//.test(file) && CACHE.test(read(file)),
    );
    const listed = new Set(ROWS.map((cells) => cells[2]?.replaceAll('`', '')));
    expect(files.filter((file) => !listed.has(file) && !EXEMPT.has(file))).toEqual([]);
    expect([...EXEMPT].filter((file) => !files.includes(file))).toEqual([]);
  });

  it('names a file and a test that exist, a key, a bound and an age in each row', () => {
    expect(ROWS.length).toBeGreaterThan(30);
    for (const [, what, file = '', key, bound, age, test = ''] of ROWS) {
      for (const cell of [what, key, bound, age]) expect(cell).toMatch(/\S/);
      for (const path of [file, test]) {
        expect([path, existsSync(join(ROOT, path.replaceAll('`', '')))]).toEqual([path, true]);
      }
    }
  });
});
