import { describe, expect, it } from '@jest/globals';

import { boundText } from '../../../lib/audit/bounded-text.ts';
import { computeSha256 } from '../../../lib/audit/chain.ts';
import { buildSmallerAllow, evaluateRights, type RightState } from './right-usage.ts';

const BUCKET = 'arn:aws:s3:::acme-data';

const evaluate = (
  resources: readonly string[],
  used: string | undefined,
  isComplete = true,
): readonly RightState[] => {
  const action = 's3:GetObject';
  const use = used === undefined ? { action } : { action, resource: used };
  return evaluateRights([{ actions: [action], resources }], [use], isComplete).map(
    ({ state }) => state,
  );
};

describe('evaluateRights', () => {
  it.each<readonly [string, readonly string[], string | undefined, readonly RightState[]]>([
    [
      'the only right of a beginning',
      [`${BUCKET}/a/b/*`, `${BUCKET}/c/*`],
      `${BUCKET}/a/`,
      ['used', 'unused'],
    ],
    [
      'rights of which only one covers all of a beginning',
      [`${BUCKET}/a/*`, `${BUCKET}/a/b/*`],
      `${BUCKET}/a/`,
      ['used', 'unknown'],
    ],
    [
      'rights of which none covers a beginning',
      [`${BUCKET}/a/b/*`, `${BUCKET}/a/c/*`],
      `${BUCKET}/a/`,
      ['unknown', 'unknown'],
    ],
    [
      'every right that covers a whole name',
      [BUCKET, `${BUCKET}*`, 'arn:aws:s3:::x'],
      BUCKET,
      ['used', 'used', 'unused'],
    ],
    [
      'a right with a param',
      [`${BUCKET}/{folder}/*`, 'arn:aws:s3:::x/*'],
      `${BUCKET}/a/`,
      ['used', 'unused'],
    ],
    [
      'a resource that could not be read',
      [`${BUCKET}/a/*`, `${BUCKET}/b/*`],
      undefined,
      ['unknown', 'unknown'],
    ],
    [
      'a name that a record cuts',
      [`${BUCKET}-a*`, 'arn:aws:s3:::x'],
      boundText(`${BUCKET}-a${'b'.repeat(200)}`, 60),
      ['used', 'unused'],
    ],
    [
      'a hashed resource',
      [BUCKET, 'arn:aws:s3:::other', `${BUCKET}/*`],
      `sha256:${computeSha256(BUCKET)}`,
      ['unknown', 'unused', 'unknown'],
    ],
    [
      'a push, whose record has no ref',
      ['git://forge/acme/app#refs/heads/agent/*', 'git://forge/acme/app2#refs/heads/x'],
      'git://forge/acme/app',
      ['used', 'unused'],
    ],
  ])('decides about %s', (_, resources, used, states) => {
    expect(evaluate(resources, used)).toEqual(states);
  });

  it('says unused of nothing while records are missing', () => {
    expect(evaluate([`${BUCKET}/a/*`, `${BUCKET}/b/*`], `${BUCKET}/a/`, false)).toEqual([
      'used',
      'unknown',
    ]);
  });

  it('does not count the use of another action', () => {
    const allow = [{ actions: ['s3:GetObject', 's3:PutObject'], resources: ['*'] }];
    const used = [{ action: 's3:PutObject', resource: BUCKET }];
    expect(evaluateRights(allow, used, true).map(({ state }) => state)).toEqual(['unused', 'used']);
  });
});

describe('buildSmallerAllow', () => {
  const allow = [{ actions: ['a', 'b', 'c'], resources: ['x', 'y'] }];
  const smaller = (...unused: readonly string[]) => {
    const rights = evaluateRights(allow, [], false).map((right) => ({
      ...right,
      state: unused.includes(`${right.action}${right.resource}`)
        ? ('unused' as const)
        : right.state,
    }));
    return buildSmallerAllow(allow, rights);
  };

  it('keeps actions with equal resources in one statement', () => {
    expect(smaller('by', 'cx', 'cy')).toEqual([
      { actions: ['a'], resources: ['x', 'y'] },
      { actions: ['b'], resources: ['x'] },
    ]);
    expect(smaller('ax', 'bx', 'cx')).toEqual([{ actions: ['a', 'b', 'c'], resources: ['y'] }]);
  });

  it('returns nothing if no right is unused, and an empty list if every one is', () => {
    expect(smaller()).toBeUndefined();
    expect(smaller('ax', 'ay', 'bx', 'by', 'cx', 'cy')).toEqual([]);
  });
});
