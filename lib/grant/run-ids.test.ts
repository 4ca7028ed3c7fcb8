import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import { buildSessionName } from '../scope/aws/session-name.ts';
import { createRunIds } from './run-ids.ts';

const ids = createRunIds(Buffer.alloc(32, 7));
const uid = fc.uuid();

describe("a run's id", () => {
  test('belongs to the pod that it was issued to, and to no other', () => {
    fc.assert(
      fc.property(uid, uid, (one, other) => {
        fc.pre(one !== other);
        const run = ids.newRun(one);
        expect(run).toMatch(/^[a-z2-7]{32}$/);
        expect(ids.belongsTo(run, one)).toBe(true);
        expect(ids.belongsTo(run, other)).toBe(false);
      }),
    );
  });

  test('belongs to nobody once a character is changed', () => {
    fc.assert(
      fc.property(uid, fc.nat(31), (pod, at) => {
        const run = ids.newRun(pod);
        const other = run[at] === 'a' ? 'b' : 'a';
        expect(ids.belongsTo(run.slice(0, at) + other + run.slice(at + 1), pod)).toBe(false);
      }),
    );
  });

  test.each(['', 'x', 'a'.repeat(33), 'A'.repeat(32), '\u{1f511}'.repeat(16)])(
    'is never %j',
    (text) => {
      expect(ids.belongsTo(text, 'uid')).toBe(false);
    },
  );

  test('is understood by a replica with the same key, and by no other', () => {
    const run = ids.newRun('uid');
    expect(createRunIds(Buffer.alloc(32, 7)).belongsTo(run, 'uid')).toBe(true);
    expect(createRunIds(Buffer.alloc(32, 8)).belongsTo(run, 'uid')).toBe(false);
  });

  test('is never given twice', () => {
    const given = Array.from({ length: 1000 }, () => ids.newRun('uid'));
    expect(new Set(given).size).toBe(1000);
  });

  test('leaves room for the pod in the name of a session', () => {
    const run = ids.newRun('uid');
    expect(buildSessionName({ podName: 'p'.repeat(253), run })).toBe(`${'p'.repeat(31)}@${run}`);
  });
});
