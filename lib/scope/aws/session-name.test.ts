import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { buildSessionName } from './session-name.ts';

const run = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
const podName = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);

describe('a session name', () => {
  test('is the pod and the run', () => {
    expect(buildSessionName({ podName: 'agent-7d9f', run: 'Xy_1-a' })).toBe('agent-7d9f@Xy_1-a');
  });

  test('is always one that STS accepts, and ends in the whole run', () => {
    fc.assert(
      fc.property(podName, run, (pod, id) => {
        const name = buildSessionName({ podName: pod, run: id });
        expect(name).toMatch(/^[\w+=,.@-]{2,64}$/);
        expect(name.endsWith(`@${id}`)).toBe(true);
      }),
    );
  });

  test('differs between two runs, however long the pod is named', () => {
    fc.assert(
      fc.property(podName, run, run, (pod, one, other) => {
        fc.pre(one !== other);
        expect(buildSessionName({ podName: pod, run: one })).not.toBe(
          buildSessionName({ podName: pod, run: other }),
        );
      }),
    );
  });

  test.each(['x'.repeat(63), 'a:b', ''])('is refused for the run %j', (bad) => {
    expect(() => buildSessionName({ podName: 'agent', run: bad })).toThrow('no session name');
  });
});
