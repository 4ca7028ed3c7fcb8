import { describe, expect, it } from '@jest/globals';

import {
  ID_TOKEN_TYPE,
  JWT_TYPE,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
} from '../contract/authority-api.ts';
import { RequestError } from './token-refusal.ts';
import { readTokenRequest } from './token-request.ts';

const requestedTask = { type: TASK_DETAILS_TYPE, task: 'summarize', consumer: 'agent' };
const fields = {
  grant_type: TOKEN_EXCHANGE_GRANT,
  subject_token: 'pod.to.ken',
  subject_token_type: JWT_TYPE,
  authorization_details: JSON.stringify([requestedTask]),
};
const buildForm = (members: Record<string, string> = {}): string =>
  new URLSearchParams({ ...fields, ...members }).toString();
const renderDetails = (...elements: readonly unknown[]): string =>
  buildForm({ authorization_details: JSON.stringify(elements) });

const catchRefusal = (text: string): { code: string; message: string } => {
  try {
    readTokenRequest(text);
  } catch (error) {
    if (error instanceof RequestError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('was read');
};

describe('readTokenRequest', () => {
  it('reads the pod token and one task', () => {
    expect(readTokenRequest(buildForm())).toEqual({
      podToken: 'pod.to.ken',
      details: { ...requestedTask, params: {} },
      capabilities: [],
    });
  });

  it('reads the user token as subject and the pod token as actor', () => {
    const acting = {
      subject_token: 'us.er.token',
      subject_token_type: ID_TOKEN_TYPE,
      actor_token: 'pod.to.ken',
      actor_token_type: JWT_TYPE,
    };
    expect(readTokenRequest(buildForm(acting))).toMatchObject({
      podToken: 'pod.to.ken',
      userToken: 'us.er.token',
    });
  });

  it('reads params and purpose', () => {
    const asked = { ...requestedTask, params: { customer: 'acme' }, purpose: 'nightly' };
    expect(readTokenRequest(renderDetails(asked)).details).toEqual(asked);
  });

  it('ignores an unknown field that occurs once', () => {
    expect(readTokenRequest(buildForm({ vendor_hint: 'x' })).podToken).toBe('pod.to.ken');
    expect(catchRefusal(`${buildForm()}&vendor_hint=x&vendor_hint=y`)).toEqual({
      code: 'request_malformed',
      message: 'vendor_hint: expected this field once, got it several times',
    });
  });

  it('lists all field errors at once', () => {
    const { code, message } = catchRefusal('subject_token=a%20b&subject_token_type=x&scope=all');
    expect(code).toBe('request_malformed');
    expect(message.split('\n').map((line) => line.split(':')[0])).toEqual([
      'grant_type',
      'subject_token',
      'subject_token_type',
      'authorization_details',
      'scope',
    ]);
  });

  it('throws grant_type_unsupported for another grant type', () => {
    expect(catchRefusal(buildForm({ grant_type: 'client_credentials' })).code).toBe(
      'grant_type_unsupported',
    );
    expect(catchRefusal(buildForm({ grant_type: '' })).code).toBe('request_malformed');
  });

  it('never shows a token in an error, in whichever field it was sent', () => {
    const secret = 'eyJhbGciOiJSUzI1NiJ9.secret.secret';
    for (const name of ['subject_token_type', 'grant_type', 'actor_token_type', 'audience']) {
      expect(catchRefusal(buildForm({ [name]: secret })).message).not.toContain('secret');
    }
    expect(catchRefusal(buildForm({ subject_token: `${secret} ` })).message).not.toContain(
      'secret',
    );
  });

  const halves: [string, Record<string, string>][] = [
    ['an actor token without its type', { actor_token: 'a.b.c' }],
    ['an actor without a human', { actor_token: 'a.b.c', actor_token_type: JWT_TYPE }],
    ['a human without an actor', { subject_token_type: ID_TOKEN_TYPE }],
  ];
  it.each(halves)('refuses a request with %s', (_, members) => {
    expect(catchRefusal(buildForm(members)).message).toContain('actor_token');
  });

  const faulty: [string, string][] = [
    ['no JSON', buildForm({ authorization_details: '[{' })],
    ['an object', buildForm({ authorization_details: JSON.stringify(requestedTask) })],
    ['no element', renderDetails()],
    ['two elements', renderDetails(requestedTask, requestedTask)],
    ['another type', renderDetails({ ...requestedTask, type: 'payment_initiation' })],
    ['an unknown key', renderDetails({ ...requestedTask, role: 'arn:aws:iam::1:role/admin' })],
    [
      'a key named __proto__',
      buildForm({ authorization_details: `[{"__proto__":{},"task":"a"}]` }),
    ],
    ['no consumer', renderDetails({ type: TASK_DETAILS_TYPE, task: 'summarize' })],
    ['a param that is no text', renderDetails({ ...requestedTask, params: { customer: 7 } })],
    ['a purpose of several lines', renderDetails({ ...requestedTask, purpose: 'a\nb' })],
    ['a purpose of half a character', renderDetails({ ...requestedTask, purpose: 'a\ud800b' })],
    ['a purpose that is too long', renderDetails({ ...requestedTask, purpose: 'x'.repeat(257) })],
    ['more than is looked at', renderDetails({ ...requestedTask, purpose: 'x'.repeat(20_000) })],
    ['brackets without end', buildForm({ authorization_details: '['.repeat(16_000) })],
    [
      'nesting without sense',
      buildForm({ authorization_details: `${'['.repeat(8_000)}${']'.repeat(8_000)}` }),
    ],
  ];
  it.each(faulty)('refuses details that are %s with the error of RFC 9396', (_, text) => {
    const { code, message } = catchRefusal(text);
    expect(code).toBe('details_malformed');
    expect(message).toContain('authorization_details');
    expect(message.length).toBeLessThan(2_000);
  });
});
