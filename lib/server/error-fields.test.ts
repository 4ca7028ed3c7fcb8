import { describe, expect, test } from '@jest/globals';

import { KubernetesError } from '../edge/kubernetes/kubernetes-error.ts';
import { toErrorFields } from './error-fields.ts';

describe('a line about an error', () => {
  test('names where in our code a foreign one was thrown, and nothing that it says', () => {
    const fields = toErrorFields(new TypeError('no\n    at SECRET (x.ts:1:1)'));
    expect(fields).toMatchObject({ error: 'TypeError' });
    expect(fields['at']).toEqual(
      expect.arrayContaining([expect.stringMatching(/error-fields\.test\.ts/)]),
    );
    expect(JSON.stringify(fields)).not.toContain('SECRET');
  });

  test('escapes what a server made of an answer', () => {
    const error = new KubernetesError('unavailable', 'get pod a', {
      reason: 'Error: host is\u001b[2J\u202e\nother',
    });
    expect(toErrorFields(error)).toEqual({
      code: 'unavailable',
      error: 'get pod a: unavailable (Error: host is\\u{1b}[2J\\u{202e}\\u{a}other)',
    });
  });

  test('tells no more than a type of what is no error', () => {
    expect(toErrorFields('SECRET')).toEqual({ error: 'string' });
  });
});
