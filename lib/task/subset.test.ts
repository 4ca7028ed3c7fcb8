import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import type { TaskStatement } from '../contract/task.ts';
import { coversText, findUncoveredPair } from './subset.ts';

const allow = (...pairs: readonly (readonly [string, string])[]): readonly TaskStatement[] =>
  pairs.map(([action, resource]) => ({ actions: [action], resources: [resource] }));

/** Every text of these characters with at most so many of them. */
const listTexts = (characters: string, maxLength: number): readonly string[] => {
  let longest = [''];
  const all = [''];
  for (let length = 1; length <= maxLength; length += 1) {
    longest = longest.flatMap((text) => Array.from(characters).map((each) => text + each));
    all.push(...longest);
  }
  return all;
};

/** The reference: a regular expression that knows nothing of how scopes are compared. */
const toExpression = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll('*', '[^]*')
      .replaceAll('?', '[^]')}$`,
  );

/** The texts that a pattern matches, as a bit mask. */
const computeMask = (pattern: string, texts: readonly string[]): bigint => {
  const expression = toExpression(pattern);
  return BigInt(`0b${texts.map((text) => (expression.test(text) ? '1' : '0')).join('')}`);
};

describe('coversText', () => {
  it('accepts no pair of patterns that is not a subset, of all pairs of up to four characters', () => {
    const patterns = listTexts('ab*?', 4);
    const texts = listTexts('abc', 6);
    const masks = patterns.map((pattern) => computeMask(pattern, texts));
    const unsound: string[] = [];
    let [subsets, refused] = [0, 0];
    patterns.forEach((wide, wideAt) =>
      patterns.forEach((narrow, narrowAt) => {
        const isSubset = ((masks[narrowAt] ?? 0n) & ~(masks[wideAt] ?? 0n)) === 0n;
        const isCovered = coversText(wide, narrow);
        if (isSubset) subsets += 1;
        if (isSubset && !isCovered) refused += 1;
        if (!isSubset && isCovered) unsound.push(`${narrow} in ${wide}`);
      }),
    );
    expect(unsound).toEqual([]);
    expect(patterns.length ** 2).toBe(116_281);
    // docs/delegation.md states the share.
    expect(Math.round((refused / subsets) * 100)).toBe(14);
  });
});

describe('findUncoveredPair', () => {
  it.each([
    ['the same resource', 'arn:aws:s3:::data/a', 'arn:aws:s3:::data/a'],
    ['an object below a prefix', 'arn:aws:s3:::data/*', 'arn:aws:s3:::data/a/b'],
    ['a prefix below a prefix', 'arn:aws:s3:::data/*', 'arn:aws:s3:::data/a/*'],
    ['any resource', '*', 'arn:aws:s3:::data/a'],
    ['any resource in any', '*', '*'],
    ['one region of all', 'arn:aws:sqs:*:111122223333:q', 'arn:aws:sqs:eu-west-1:111122223333:q'],
    ['a URL below a path', 'https://api.example/v1/*', 'https://api.example/v1/items/*'],
    ['a ref of a repository', 'git://forge/org/app', 'git://forge/org/app#refs/heads/a'],
    ['a ref of some refs', 'git://forge/org/*#refs/heads/*', 'git://forge/org/a#refs/heads/x'],
    ['a tool', 'mcp://tickets/tools/read_*', 'mcp://tickets/tools/read_ticket'],
    ['a database', 'postgres://orders/*', 'postgres://orders/sales'],
  ])('accepts %s', (_what, wide, narrow) => {
    expect(findUncoveredPair(allow(['x:A', narrow]), allow(['x:A', wide]))).toBeUndefined();
  });

  it.each([
    ['a wider prefix', 'arn:aws:s3:::data/a/*', 'arn:aws:s3:::data/*'],
    ['another bucket', 'arn:aws:s3:::data/*', 'arn:aws:s3:::data2/a'],
    ['any resource', 'arn:aws:s3:::data/*', '*'],
    ['a wildcard for one character', 'arn:aws:s3:::data/a?', 'arn:aws:s3:::data/a*'],
    ['all regions', 'arn:aws:sqs:eu-*:111122223333:q', 'arn:aws:sqs:*:111122223333:q'],
    ['text of the next part', 'arn:aws:sqs:*:1:q', 'arn:aws:sqs:eu:2:1:q'],
    ['a longer host', 'https://api.example/*', 'https://api.example.evil/a'],
    ['another scheme', 'https://api.example/*', 'git://api.example/a'],
    ['a repository for some of its refs', 'git://f/org/app#refs/heads/*', 'git://f/org/app'],
    ['a ref that continues a repository', 'git://f/*/x#refs/a', 'git://f/r#refs/x/x#refs/a'],
    ['another kind', 'mcp://tickets/tools/*', 'mcp://tickets/resources/a'],
    ['another upstream', 'postgres://orders/*', 'postgres://orders2/sales'],
    ['an ARN of a URL', 'https://api.example/*', 'arn:aws:s3:::data/a'],
  ])('refuses %s', (_what, wide, narrow) => {
    expect(findUncoveredPair(allow(['x:A', narrow]), allow(['x:A', wide]))).toEqual({
      action: 'x:A',
      resource: narrow,
    });
  });

  it('refuses an action and a resource that only two statements cover together', () => {
    const wide = allow(['s3:GetObject', 'arn:aws:s3:::a/*'], ['s3:PutObject', 'arn:aws:s3:::b/*']);
    expect(findUncoveredPair(allow(['s3:PutObject', 'arn:aws:s3:::a/x']), wide)).toEqual({
      action: 's3:PutObject',
      resource: 'arn:aws:s3:::a/x',
    });
  });

  it('accepts no scope that allows more than the wider one, compared with a brute-force matcher', () => {
    const part = (characters: string) =>
      fc.string({ unit: fc.constantFrom(...Array.from(characters)), minLength: 0, maxLength: 3 });
    const tail = fc.string({
      unit: fc.constantFrom(...Array.from('ab/#:*?')),
      minLength: 1,
      maxLength: 5,
    });
    const resource = fc.oneof(
      fc.constant('*'),
      fc
        .tuple(part('ab*'), part('12*'), tail)
        .map(([region, account, rest]) => `arn:aws:s3:${region}:${account}:${rest}`),
      tail.map((rest) => `git://f/${rest.replaceAll('?', 'a')}`),
      tail.map((rest) => `mcp://f/tools/${rest.replace(/[?#]/g, 'b')}`),
    );
    const statement = fc.record({
      actions: fc.subarray(['x:A', 'x:B'], { minLength: 1 }),
      resources: fc.array(resource, { minLength: 1, maxLength: 2 }),
    });
    const scope = fc.array(statement, { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(scope, scope, (narrow, wide) => {
        if (findUncoveredPair(narrow, wide) !== undefined) return;
        for (const { actions, resources } of narrow) {
          for (const text of resources.flatMap(expand)) {
            for (const action of actions) {
              if (!allows(narrow, action, text)) continue;
              expect({ action, text, isAllowed: allows(wide, action, text) }).toEqual({
                ...{ action, text },
                isAllowed: true,
              });
            }
          }
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

/** Some texts that a pattern matches, among them those with separators in place of its wildcards. */
const expand = (pattern: string): readonly string[] => {
  if (pattern === '*') return ['arn:aws:s3:a:1:b', 'git://f/a', 'mcp://f/tools/a'];
  return ['', 'a', 'b/a', 'a#b', '1:2'].flatMap((star) =>
    ['a', '/', '*'].map((one) => pattern.replaceAll('*', star).replaceAll('?', one)),
  );
};

/** As the gateway decides: Git resources are split at the first `#`. */
const allows = (scope: readonly TaskStatement[], action: string, text: string): boolean =>
  scope.some(
    ({ actions, resources }) =>
      actions.includes(action) && resources.some((pattern) => matches(pattern, text)),
  );

const matches = (pattern: string, text: string): boolean => {
  if (!pattern.startsWith('git://')) return toExpression(pattern).test(text);
  const [repository = '', ...refs] = pattern.split('#');
  const [name = '', ...ref] = text.split('#');
  if (!toExpression(repository).test(name)) return false;
  return refs.length === 0 || (ref.length > 0 && toExpression(refs.join('#')).test(ref.join('#')));
};
