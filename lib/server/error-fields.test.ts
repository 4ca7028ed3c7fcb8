import { describe, expect, it } from '@jest/globals';

import { KubernetesError } from '../edge/kubernetes/kubernetes-error.ts';
import { toErrorFields } from './error-fields.ts';

describe('toErrorFields', () => {
  it('returns the type and the stack position of an unknown error, not its message', () => {
    const fields = toErrorFields(new TypeError('no\n    at SECRET (x.ts:1:1)'));
    expect(fields).toMatchObject({ error: 'TypeError' });
    expect(fields['at']).toEqual(
      expect.arrayContaining([expect.stringMatching(/error-fields\.test\.ts/)]),
    );
    expect(JSON.stringify(fields)).not.toContain('SECRET');
  });

  it('escapes control characters in the text of a Kubernetes error', () => {
    const error = new KubernetesError('unavailable', 'get pod a', {
      reason: 'Error: host is\u001b[2J\u202e\nother',
    });
    expect(toErrorFields(error)).toEqual({
      code: 'unavailable',
      error: 'get pod a: unavailable (Error: host is\\u{1b}[2J\\u{202e}\\u{a}other)',
    });
  });

  it('returns only the type of a thrown value that is not an error', () => {
    expect(toErrorFields('SECRET')).toEqual({ error: 'string' });
  });
});
