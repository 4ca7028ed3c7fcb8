import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { buildSessionName } from '../scope/aws/session-name.ts';
import { createRunIds } from './run-ids.ts';

const ids = createRunIds(Buffer.alloc(32, 7));
const uid = fc.uuid();

describe('createRunIds', () => {
  it('binds a run ID to one pod', () => {
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

  it('rejects a run ID with a changed character', () => {
    fc.assert(
      fc.property(uid, fc.nat(31), (pod, at) => {
        const run = ids.newRun(pod);
        const other = run[at] === 'a' ? 'b' : 'a';
        expect(ids.belongsTo(run.slice(0, at) + other + run.slice(at + 1), pod)).toBe(false);
      }),
    );
  });

  it.each(['', 'x', 'a'.repeat(33), 'A'.repeat(32), '\u{1f511}'.repeat(16)])(
    'rejects %j',
    (text) => {
      expect(ids.belongsTo(text, 'uid')).toBe(false);
    },
  );

  it('accepts run IDs of replicas with the same key only', () => {
    const run = ids.newRun('uid');
    expect(createRunIds(Buffer.alloc(32, 7)).belongsTo(run, 'uid')).toBe(true);
    expect(createRunIds(Buffer.alloc(32, 8)).belongsTo(run, 'uid')).toBe(false);
  });

  it('creates unique run IDs', () => {
    const given = Array.from({ length: 1000 }, () => ids.newRun('uid'));
    expect(new Set(given).size).toBe(1000);
  });

  it('writes bytes in base32 as RFC 4648 does', () => {
    const run = createRunIds(Buffer.alloc(32, 7), () => Buffer.from('foobafooba')).newRun('uid');
    expect(run.slice(0, 16)).toBe('mzxw6ytbmzxw6ytb');
    expect(run.slice(16)).toBe('o7tpr3hfbb2264xn');
  });

  it('leaves space for the pod name in a session name', () => {
    const run = ids.newRun('uid');
    expect(buildSessionName({ podName: 'p'.repeat(253), run })).toBe(`${'p'.repeat(31)}@${run}`);
  });
});
