import { describe, expect, it } from '@jest/globals';

import { buildSpecKey, buildSpecsKey } from './spec-keys.ts';

const store = (uid: string, spec: object | undefined, generation = 1, status = {}) => ({
  metadata: { uid, generation },
  ...(spec !== undefined && { spec }),
  status,
});

describe('buildSpecKey', () => {
  it('is equal for objects that differ in their status only', () => {
    const key = buildSpecKey(store('a', { cedar: 'one' }));
    expect(buildSpecKey(store('a', { cedar: 'one' }, 1, { conditions: [] }))).toBe(key);
  });

  it('differs for another UID, another generation, and another spec of the same generation', () => {
    const others = [
      store('a', { cedar: 'one' }),
      store('b', { cedar: 'one' }),
      store('a', { cedar: 'one' }, 2),
      store('a', { cedar: 'two' }),
      store('a', undefined),
    ];
    expect(new Set(others.map(buildSpecKey)).size).toBe(others.length);
  });
});

describe('buildSpecsKey', () => {
  it('does not depend on the order', () => {
    const [one, other] = [store('a', {}), store('b', {})];
    expect(buildSpecsKey([one, other])).toBe(buildSpecsKey([other, one]));
  });
});
