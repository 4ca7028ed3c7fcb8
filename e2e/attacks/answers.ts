import { expect } from '@jest/globals';
import type { Refusal } from './refusals.ts';
import type { Attack } from './table.ts';

type Stated = Pick<Attack, 'rule' | 'path' | 'also' | 'words'>;

/** Holds a refusal against what an attack states: it names each of that, and nothing more. */
export const expectAnswer = (attack: Stated, { message, breaches }: Refusal): void => {
  const stated = statedIn(attack);
  const found = breaches.map(({ rule, where }) => {
    const at = stated.find((each) => each.rule === rule && isAt(where, each.path));
    return { rule, path: at?.path ?? where };
  });
  expect({ message, named: sorted(found) }).toEqual({
    message: expect.stringContaining(attack.words ?? ''),
    named: sorted(stated),
  });
};

const statedIn = ({ also = [], ...first }: Stated) =>
  [first, ...also].map(({ rule, path = '' }) => ({ rule, path }));

/** What a path stands in, an annotation or an account, comes before it. */
const isAt = (where: string, path: string): boolean => where === path || where.endsWith(` ${path}`);

const sorted = (answers: readonly { readonly rule: string; readonly path: string }[]) =>
  answers.map(({ rule, path }) => `${rule} ${path}`).sort();
