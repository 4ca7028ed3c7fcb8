import { describe, expect, it } from '@jest/globals';

import { renderHttpRefusal } from './http-refusals.ts';

const REFUSAL = { code: 'path_outside', message: 'http:GET on x is outside task "t"' } as const;
const TEXT = 'valetkey: http:GET on x is outside task "t" (path_outside)';
const render = (format: Parameters<typeof renderHttpRefusal>[1]['format']) =>
  renderHttpRefusal(REFUSAL, { format, isHead: false });

describe('renderHttpRefusal', () => {
  it.each([
    ['plain', { error: { code: 'path_outside', message: TEXT } }],
    ['openai', { error: { message: TEXT, type: 'valetkey', param: null, code: 'path_outside' } }],
    ['anthropic', { type: 'error', error: { type: 'path_outside', message: TEXT } }],
    ['vault', { errors: [TEXT] }],
  ] as const)('writes the error of %s clients', (format, expected) => {
    const { status, headers, body } = render(format);
    expect(status).toBe(403);
    expect(headers).toMatchObject({
      'x-valetkey-code': 'path_outside',
      'content-type': 'application/json',
    });
    expect(JSON.parse(body.toString())).toEqual(expected);
  });

  it('writes a line of text for git', () => {
    expect(render('git').body.toString()).toBe(`${TEXT}\n`);
  });

  it('has no body for HEAD', () => {
    const { body } = renderHttpRefusal(REFUSAL, { format: 'plain', isHead: true });
    expect(body).toHaveLength(0);
  });

  it('asks for Basic credentials where git needs it, else for a bearer token', () => {
    const refusal = { code: 'key_required', message: 'no token' } as const;
    const authenticate = (format: 'git' | 'plain') =>
      renderHttpRefusal(refusal, { format, isHead: false }).headers['www-authenticate'];
    expect(authenticate('git')).toBe('Basic realm="valetkey"');
    expect(authenticate('plain')).toBe('Bearer realm="valetkey"');
  });

  it('says when to try again, and otherwise that trying again is of no use', () => {
    const busy = { code: 'overloaded', message: 'busy' } as const;
    const { headers } = renderHttpRefusal(busy, { format: 'openai', isHead: false });
    expect(headers).toMatchObject({ 'retry-after': '1' });
    expect(headers).not.toHaveProperty('x-should-retry');
    expect(render('openai').headers).toMatchObject({ 'x-should-retry': 'false' });
  });
});
