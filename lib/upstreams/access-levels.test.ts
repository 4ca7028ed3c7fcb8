import { describe, expect, it } from '@jest/globals';

import type { LevelRule } from './upstream.ts';
import { getAccessLevel } from './access-levels.ts';

const LEVELS: readonly LevelRule[] = [
  { method: 'POST', path: '/search/{index}', level: 'Read' },
  { method: 'POST', path: '/query/*', level: 'Read' },
  { method: 'DELETE', path: '/members/*', level: 'Escalation' },
  { method: 'GET', path: '/secrets/*', level: 'Escalation' },
];

const rules = { url: 'https://api.example/v4' } as Parameters<typeof getAccessLevel>[0]['rules'];
const getLevel = (method: string, path: string, levels = LEVELS) =>
  getAccessLevel(
    { rules, levels },
    { action: `http:${method}`, resource: `https://api.example/v4${path}` },
  );

describe('getAccessLevel', () => {
  it.each([
    ['GET', 'Read'],
    ['HEAD', 'Read'],
    ['OPTIONS', 'Read'],
    ['POST', 'Write'],
    ['PUT', 'Write'],
    ['PATCH', 'Write'],
    ['DELETE', 'Write'],
  ] as const)('takes %s for %s without a rule', (method, level) => {
    expect(getLevel(method, '/items', [])).toBe(level);
  });

  it.each([
    ['POST', '/search/books', 'Read'],
    ['POST', '/search/{index}', 'Read'],
    ['POST', '/query/a/b', 'Read'],
    ['POST', '/query/*', 'Read'],
    ['PUT', '/query/a', 'Write'],
  ] as const)('takes %s %s for %s, as a rule that covers it says', (method, path, level) => {
    expect(getLevel(method, path)).toBe(level);
  });

  it.each([
    ['POST', '/search/*', 'Write'],
    ['POST', '/search/books/reset', 'Write'],
    ['POST', '/search/', 'Write'],
    ['POST', '/*', 'Write'],
    ['GET', '/*', 'Escalation'],
    ['GET', '/{any}/a', 'Escalation'],
    ['DELETE', '*', 'Escalation'],
  ] as const)('takes %s %s for %s, the highest that it can match', (method, path, level) => {
    expect(getLevel(method, path)).toBe(level);
  });

  it('is fast for patterns with many wildcards', () => {
    const path = `/${'*a'.repeat(400)}`;
    expect(getLevel('POST', path, [{ method: 'POST', path, level: 'Read' }])).toBe('Read');
  });
});
