import { describe, expect, test } from '@jest/globals';

import {
  ID_TOKEN_TYPE,
  JWT_TYPE,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
} from '../contract/authority.ts';
import { IssuingError } from './refusal.ts';
import { readTokenRequest } from './token-request.ts';

const wish = { type: TASK_DETAILS_TYPE, task: 'summarize', consumer: 'agent' };
const fields = {
  grant_type: TOKEN_EXCHANGE_GRANT,
  subject_token: 'pod.to.ken',
  subject_token_type: JWT_TYPE,
  authorization_details: JSON.stringify([wish]),
};
const form = (members: Record<string, string> = {}): string =>
  new URLSearchParams({ ...fields, ...members }).toString();
const details = (...elements: readonly unknown[]): string =>
  form({ authorization_details: JSON.stringify(elements) });

const refusalOf = (text: string): { code: string; message: string } => {
  try {
    readTokenRequest(text);
  } catch (error) {
    if (error instanceof IssuingError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('was read');
};

describe('a token request', () => {
  test('of a pod for itself names its token and one task', () => {
    expect(readTokenRequest(form())).toEqual({
      podToken: 'pod.to.ken',
      details: { ...wish, params: {} },
    });
  });

  test('for a human has the human as subject and the pod as actor', () => {
    const acting = {
      subject_token: 'us.er.token',
      subject_token_type: ID_TOKEN_TYPE,
      actor_token: 'pod.to.ken',
      actor_token_type: JWT_TYPE,
    };
    expect(readTokenRequest(form(acting))).toMatchObject({
      podToken: 'pod.to.ken',
      userToken: 'us.er.token',
    });
  });

  test('carries params and purpose', () => {
    const asked = { ...wish, params: { customer: 'acme' }, purpose: 'nightly' };
    expect(readTokenRequest(details(asked)).details).toEqual(asked);
  });

  test('may hold fields that nobody knows, once', () => {
    expect(readTokenRequest(form({ vendor_hint: 'x' })).podToken).toBe('pod.to.ken');
    expect(refusalOf(`${form()}&vendor_hint=x&vendor_hint=y`)).toEqual({
      code: 'request_malformed',
      message: 'vendor_hint: expected this field once, got it several times',
    });
  });

  test('lists every fault at once, each naming its field', () => {
    const { code, message } = refusalOf('subject_token=a%20b&subject_token_type=x&scope=all');
    expect(code).toBe('request_malformed');
    expect(message.split('\n').map((line) => line.split(':')[0])).toEqual([
      'grant_type',
      'subject_token',
      'subject_token_type',
      'authorization_details',
      'scope',
    ]);
  });

  test('of another grant type is told so', () => {
    expect(refusalOf(form({ grant_type: 'client_credentials' })).code).toBe(
      'grant_type_unsupported',
    );
    expect(refusalOf(form({ grant_type: '' })).code).toBe('request_malformed');
  });

  test('never shows a token, wherever it was put', () => {
    const secret = 'eyJhbGciOiJSUzI1NiJ9.secret.secret';
    for (const name of ['subject_token_type', 'grant_type', 'actor_token_type', 'audience']) {
      expect(refusalOf(form({ [name]: secret })).message).not.toContain('secret');
    }
    expect(refusalOf(form({ subject_token: `${secret} ` })).message).not.toContain('secret');
  });

  const halves: [string, Record<string, string>][] = [
    ['an actor token without its type', { actor_token: 'a.b.c' }],
    ['an actor without a human', { actor_token: 'a.b.c', actor_token_type: JWT_TYPE }],
    ['a human without an actor', { subject_token_type: ID_TOKEN_TYPE }],
  ];
  test.each(halves)('with %s is refused', (_, members) => {
    expect(refusalOf(form(members)).message).toContain('actor_token');
  });

  const faulty: [string, string][] = [
    ['no JSON', form({ authorization_details: '[{' })],
    ['an object', form({ authorization_details: JSON.stringify(wish) })],
    ['no element', details()],
    ['two elements', details(wish, wish)],
    ['another type', details({ ...wish, type: 'payment_initiation' })],
    ['an unknown key', details({ ...wish, role: 'arn:aws:iam::1:role/admin' })],
    ['a key named __proto__', form({ authorization_details: `[{"__proto__":{},"task":"a"}]` })],
    ['no consumer', details({ type: TASK_DETAILS_TYPE, task: 'summarize' })],
    ['a param that is no text', details({ ...wish, params: { customer: 7 } })],
    ['a purpose of several lines', details({ ...wish, purpose: 'a\nb' })],
    ['a purpose of half a character', details({ ...wish, purpose: 'a\ud800b' })],
    ['a purpose that is too long', details({ ...wish, purpose: 'x'.repeat(257) })],
    ['more than is looked at', details({ ...wish, purpose: 'x'.repeat(20_000) })],
    ['brackets without end', form({ authorization_details: '['.repeat(16_000) })],
    [
      'nesting without sense',
      form({ authorization_details: `${'['.repeat(8_000)}${']'.repeat(8_000)}` }),
    ],
  ];
  test.each(faulty)('whose details are %s is refused by RFC 9396', (_, text) => {
    const { code, message } = refusalOf(text);
    expect(code).toBe('details_malformed');
    expect(message).toContain('authorization_details');
    expect(message.length).toBeLessThan(2_000);
  });
});
