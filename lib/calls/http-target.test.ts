import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { parseHttpRoute, parseHttpTarget } from './http-target.ts';

const UPSTREAM = {
  url: 'https://api.example/v4',
  encodedSlash: 'refuse',
  query: { deny: ['debug'] },
} as const;

const parse = (rest: string, changes: object = {}) =>
  parseHttpTarget(rest, { ...UPSTREAM, ...changes });

describe('parseHttpRoute', () => {
  it.each([
    ['/t/review/v1/chat?x=1', { kind: 'task', name: 'review', rest: '/v1/chat?x=1' }],
    ['/t/review', { kind: 'task', name: 'review', rest: '' }],
    ['/t/review?x=1', { kind: 'task', name: 'review', rest: '?x=1' }],
    ['/r/9f_-A/v1', { kind: 'run', name: '9f_-A', rest: '/v1' }],
    ['/t/review//v1', { kind: 'task', name: 'review', rest: '//v1' }],
  ])('parses %s', (url, route) => {
    expect(parseHttpRoute(url)).toEqual(route);
  });

  it.each([
    '/',
    '/t',
    '/t/',
    '/t/%72eview/x',
    '/x/review',
    '/t/re.view/x',
    'https://h/t/a',
    '/T/a',
  ])('knows no route %s', (url) => {
    expect(parseHttpRoute(url)).toBeUndefined();
  });
});

describe('parseHttpTarget', () => {
  it.each([
    ['/projects/7', '/v4/projects/7'],
    ['', '/v4'],
    ['/', '/v4/'],
    ['/a%20b/%C3%A9', '/v4/a%20b/%C3%A9'],
    ['/a...b/.hidden', '/v4/a...b/.hidden'],
    ['/models/gpt:stream', '/v4/models/gpt:stream'],
  ])('sends %s as %s, the path that is decided', (rest, path) => {
    expect(parse(rest)).toEqual({
      ok: true,
      value: { origin: 'https://api.example', path, wirePath: path },
    });
  });

  it('sends the query as it was received', () => {
    const result = parse('/search?q=a+b&tag[]=1&tag[]=2&empty');
    expect(result).toMatchObject({
      value: { path: '/v4/search', wirePath: '/v4/search?q=a+b&tag[]=1&tag[]=2&empty' },
    });
  });

  it.each([
    ['/..', 'dot segments'],
    ['/a/../b', 'dot segments'],
    ['/a/.', 'dot segments'],
    ['/%2e%2e/b', 'unencoded'],
    ['/%2E./b', 'unencoded'],
    ['/%61dmin', 'unencoded'],
    ['/a//b', 'empty segments'],
    ['//evil.example/x', 'empty segments'],
    ['/a;jsessionid=1', 'without ;'],
    ['/a;/../b', 'without ;'],
    ['/a%3b', 'encoded control'],
    ['/a\\b', 'without ;'],
    ['/a%5c..%5cb', 'encoded control'],
    ['/a%5Cb', 'encoded control'],
    ['/a%00', 'encoded control'],
    ['/a%0d%0aHost:x', 'encoded control'],
    ['/a%7f', 'encoded control'],
    ['/a%252e%252e/b', 'encoded control'],
    ['/a%2fb', 'encoded slash'],
    ['/a%2Fb', 'encoded slash'],
    ['/a%c0%ae', 'UTF-8'],
    ['/a%ff', 'UTF-8'],
    ['/a%', 'percent-encoded'],
    ['/a%zz', 'percent-encoded'],
    ['/a b', 'percent-encoded'],
    ['/é', 'percent-encoded'],
    ['/a#b', 'percent-encoded'],
    ['@evil.example/x', 'begins with a slash'],
    [`/${'a'.repeat(8192)}`, 'at most 8192'],
  ])('refuses the path %s', (rest, reason) => {
    const result = parse(rest);
    expect(result).toMatchObject({ ok: false, refusal: { code: 'request_malformed' } });
    expect(result.ok ? '' : result.refusal.message).toContain(reason);
  });

  it('keeps an encoded slash where the Upstream says so, and no other encoded character', () => {
    const keep = { encodedSlash: 'keep' };
    expect(parse('/projects/a%2Fb', keep)).toMatchObject({ value: { path: '/v4/projects/a%2Fb' } });
    expect(parse('/projects/%2e%2e%2fb', keep).ok).toBe(false);
  });

  it.each([
    '_method=DELETE',
    '_METHOD=DELETE',
    '%5fmethod=DELETE',
    'a=1&_method=DELETE',
    'a=1;_method=DELETE',
    '+_method+=DELETE',
    '_method[]=DELETE',
    'debug=1',
    'DEBUG',
    'debug[x]=1',
    'debug.x=1',
    '%ff=1',
    'a=%',
    'a=é',
  ])('refuses the query %s', (query) => {
    expect(parse(`/x?${query}`).ok).toBe(false);
  });

  it('passes only listed parameters where the Upstream lists them', () => {
    const rules = { query: { deny: [], allow: ['page'] } };
    expect(parse('/x?page=2', rules).ok).toBe(true);
    expect(parse('/x?page=2&token=1', rules).ok).toBe(false);
  });

  it('keeps values of the query out of refusals', () => {
    const result = parse('/x?debug=topsecret');
    expect(JSON.stringify(result)).not.toContain('topsecret');
  });

  it('sends only paths that a URL parser and a decoder read as below the base path', () => {
    const hostile = fc.constantFrom(
      ...[
        '/',
        '.',
        '..',
        '%2e',
        '%2E',
        '%2f',
        '%5c',
        '\\',
        ';',
        '%25',
        'a',
        '//',
        '%00',
        '%',
        '?',
        '#',
        '@',
      ],
    );
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 12 }), (parts) => {
        const result = parse(`/${parts.join('')}`);
        if (!result.ok) return;
        const { path, wirePath } = result.value;
        const url = new URL(`https://api.example${wirePath}`);
        expect(url.pathname).toBe(path);
        expect(decodeURIComponent(path).split('/')).not.toContain('..');
        expect(path === '/v4' || path.startsWith('/v4/')).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
