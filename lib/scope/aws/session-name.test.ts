import { describe, expect, it } from '@jest/globals';
import fc from '../../../test/kit/fast-check.ts';
import { buildSessionName } from './session-name.ts';

const run = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
const podName = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);

describe('buildSessionName', () => {
  it('joins the pod and the run', () => {
    expect(buildSessionName({ podName: 'agent-7d9f', run: 'Xy_1-a' })).toBe('agent-7d9f@Xy_1-a');
  });

  it('always matches the pattern of STS and ends with the whole run', () => {
    fc.assert(
      fc.property(podName, run, (pod, id) => {
        const name = buildSessionName({ podName: pod, run: id });
        expect(name).toMatch(/^[\w+=,.@-]{2,64}$/);
        expect(name.endsWith(`@${id}`)).toBe(true);
      }),
    );
  });

  it('differs between two runs, even if the name of the pod is long', () => {
    fc.assert(
      fc.property(podName, run, run, (pod, one, other) => {
        fc.pre(one !== other);
        expect(buildSessionName({ podName: pod, run: one })).not.toBe(
          buildSessionName({ podName: pod, run: other }),
        );
      }),
    );
  });

  it.each(['x'.repeat(63), 'a:b', ''])('throws for the run %j', (bad) => {
    expect(() => buildSessionName({ podName: 'agent', run: bad })).toThrow('no valid session name');
  });
});
