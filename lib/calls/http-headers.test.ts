import { describe, expect, it } from '@jest/globals';

import {
  readHttpHeaders,
  rewriteLocation,
  selectHttpRequestHeaders,
  selectHttpResponseHeaders,
} from './http-headers.ts';

const NONE = { pass: [], set: {} };
const SECRET = { authorization: 'Bearer sk-real' };
const select = (
  headers: Record<string, string>,
  rules: Parameters<typeof selectHttpRequestHeaders>[1] = NONE,
) => Object.fromEntries(selectHttpRequestHeaders(new Map(Object.entries(headers)), rules, SECRET));

describe('readHttpHeaders', () => {
  it('reads names in lower case and joins repeated lists', () => {
    const result = readHttpHeaders(['Accept', 'a/b', 'accept', 'c/d', 'X-Api-Key', 'k']);
    expect(result.ok && Object.fromEntries(result.value)).toEqual({
      accept: 'a/b, c/d',
      'x-api-key': 'k',
    });
  });

  it.each(['Authorization', 'Host', 'Content-Length', 'x-api-key', 'cookie', 'Transfer-Encoding'])(
    'refuses the header %s twice, in any case',
    (name) => {
      const result = readHttpHeaders([name, '1', name.toUpperCase(), '1']);
      expect(result).toMatchObject({ ok: false, refusal: { code: 'request_malformed' } });
    },
  );

  it('refuses two lengths, which two readers frame differently', () => {
    const result = readHttpHeaders(['Content-Length', '5', 'Transfer-Encoding', 'chunked']);
    expect(result.ok).toBe(false);
  });

  it('keeps values out of refusals', () => {
    const result = readHttpHeaders(['x-api-key', 'topsecret', 'x-api-key', 'topsecret']);
    expect(JSON.stringify(result)).not.toContain('topsecret');
  });
});

describe('selectHttpRequestHeaders', () => {
  it('passes what APIs need and presents the secret', () => {
    const passed = {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      'content-encoding': 'gzip',
      'user-agent': 'openai/5',
      'idempotency-key': 'i1',
      range: 'bytes=0-1',
      'if-none-match': '"e"',
      'x-stainless-lang': 'js',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'b',
      'git-protocol': 'version=2',
      'mcp-session-id': 's',
    };
    expect(select(passed)).toEqual({ ...passed, 'accept-encoding': 'identity', ...SECRET });
  });

  it.each([
    'cookie',
    'x-api-key',
    'api-key',
    'x-vault-token',
    'x-goog-api-key',
    'proxy-authorization',
    'proxy-connection',
    'forwarded',
    'x-forwarded-host',
    'x-http-method-override',
    'x-method-override',
    'x-original-url',
    'x-rewrite-url',
    'openai-organization',
    'openai-project',
    'x-vault-namespace',
    'connection',
    'te',
    'trailer',
    'expect',
    'host',
    'transfer-encoding',
    'referer',
    'origin',
  ])('drops the header %s', (name) => {
    expect(select({ [name]: 'x' })).toEqual({ 'accept-encoding': 'identity', ...SECRET });
  });

  it('replaces the header that presents the secret', () => {
    expect(select({ authorization: 'Bearer local' })['authorization']).toBe('Bearer sk-real');
  });

  it('passes and sets what the Upstream says', () => {
    const rules = { pass: ['openai-organization'], set: { 'x-team': 'agents' } };
    expect(select({ 'openai-organization': 'o', 'x-team': 'mine' }, rules)).toMatchObject({
      'openai-organization': 'o',
      'x-team': 'agents',
    });
  });

  it.each([
    'authorization',
    'x-api-key',
    'cookie',
    'transfer-encoding',
    'proxy-authorization',
    'host',
  ])('never passes %s, even if rules from elsewhere list it', (name) => {
    const selected = selectHttpRequestHeaders(
      new Map([[name, 'x']]),
      { pass: [name], set: {} },
      {},
    );
    expect(selected.has(name)).toBe(false);
  });

  it('asks for answers without encoding, which the scanner could not read', () => {
    expect(select({ 'accept-encoding': 'gzip' })['accept-encoding']).toBe('identity');
  });
});

const ANSWERED = {
  requestUrl: 'https://api.example/v4/items/7?x=1',
  upstreamUrl: 'https://api.example/v4',
  route: '/t/review',
};

describe('rewriteLocation', () => {
  it.each([
    ['https://api.example/v4/items/8?y=2#z', '/t/review/items/8?y=2#z'],
    ['/v4/items/8', '/t/review/items/8'],
    ['8', '/t/review/items/8'],
    ['?page=2', '/t/review/items/7?page=2'],
    ['/v4', '/t/review'],
    ['HTTPS://API.EXAMPLE:443/v4/a', '/t/review/a'],
  ])('rewrites %s', (location, expected) => {
    expect(rewriteLocation(location, ANSWERED)).toBe(expected);
  });

  it.each([
    'https://evil.example/v4/items',
    'http://api.example/v4/items',
    'https://api.example:8443/v4/items',
    'https://api.example@evil.example/v4',
    'https://user:pass@api.example/v4/items',
    'http://169.254.169.254/latest/meta-data/',
    '//evil.example/v4',
    '\\\\evil.example/v4',
    '/other/items',
    '/v4/../admin',
    '/v4x/items',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'http://[',
  ])('refuses %s', (location) => {
    expect(rewriteLocation(location, ANSWERED)).toBeUndefined();
  });

  it('rewrites below an Upstream without a base path', () => {
    const answered = { ...ANSWERED, upstreamUrl: 'https://api.example' };
    expect(rewriteLocation('/a/b', answered)).toBe('/t/review/a/b');
  });
});

describe('selectHttpResponseHeaders', () => {
  const answer = (headers: Record<string, string | string[]>) =>
    selectHttpResponseHeaders(headers, ANSWERED);

  it('passes content, caching, limits and request IDs', () => {
    const headers = {
      'content-type': 'application/json',
      'content-length': '2',
      etag: '"e"',
      'retry-after': '3',
      'x-request-id': 'r',
      'x-ratelimit-remaining-tokens': '5',
      'openai-processing-ms': '7',
      'www-authenticate': 'Basic',
    };
    expect(answer(headers)).toEqual({ ok: true, value: headers });
  });

  it.each([
    'set-cookie',
    'set-cookie2',
    'connection',
    'keep-alive',
    'transfer-encoding',
    'upgrade',
    'alt-svc',
    'refresh',
    'content-location',
    'access-control-allow-origin',
    'strict-transport-security',
    'x-valetkey-code',
    'x-accel-redirect',
    'x-sendfile',
    'proxy-authenticate',
  ])('drops the header %s', (name) => {
    expect(answer({ [name]: 'x' })).toEqual({ ok: true, value: {} });
  });

  it('rewrites a location of the same origin and refuses any other', () => {
    expect(answer({ location: '/v4/items/8' })).toEqual({
      ok: true,
      value: { location: '/t/review/items/8' },
    });
    const refused = answer({ location: 'http://169.254.169.254/' });
    expect(refused).toMatchObject({ ok: false, refusal: { code: 'redirect_refused' } });
    expect(JSON.stringify(refused)).not.toContain('169.254');
    expect(answer({ location: ['/v4/a', '/v4/b'] }).ok).toBe(false);
  });

  it.each(['gzip', 'br', 'identity, gzip', 'x'])('refuses an answer encoded as %s', (encoding) => {
    expect(answer({ 'content-encoding': encoding })).toMatchObject({
      ok: false,
      refusal: { code: 'upstream_untrusted' },
    });
  });
});
