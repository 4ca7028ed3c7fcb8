import { expect } from '@jest/globals';
import type { AdmissionRefusal } from './admission-refusals.ts';
import type { Attack } from './attack-table.ts';

type StatedRefusal = Pick<Attack, 'rule' | 'path' | 'also' | 'message'>;

/** Expects a refusal to name exactly the violations that an attack states. */
export const expectStatedRefusal = (
  attack: StatedRefusal,
  { message, breaches }: AdmissionRefusal,
): void => {
  const stated = listStatedRules(attack);
  const found = breaches.map(({ rule, where }) => {
    const at = stated.find((each) => each.rule === rule && isPathMatch(where, each.path));
    return { rule, path: at?.path ?? where };
  });
  expect({ message, named: formatSorted(found) }).toEqual({
    message: expect.stringContaining(attack.message ?? ''),
    named: formatSorted(stated),
  });
};

const listStatedRules = ({ also = [], ...first }: StatedRefusal) =>
  [first, ...also].map(({ rule, path = '' }) => ({ rule, path }));

/** An annotation or account may precede the path. */
const isPathMatch = (where: string, path: string): boolean =>
  where === path || where.endsWith(` ${path}`);

const formatSorted = (answers: readonly { readonly rule: string; readonly path: string }[]) =>
  answers.map(({ rule, path }) => `${rule} ${path}`).sort();
