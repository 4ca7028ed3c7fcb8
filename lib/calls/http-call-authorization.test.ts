import { describe, expect, it } from '@jest/globals';

import { authorizeHttpCall } from './http-call-authorization.ts';

const TASK = {
  name: 'review',
  allow: [
    { actions: ['http:GET'], resources: ['https://api.example/v4/projects/*'] },
    { actions: ['http:POST'], resources: ['https://api.example/v4/projects/7/notes'] },
  ],
};

const authorize = (method: string, path: string, origin = 'https://api.example') =>
  authorizeHttpCall({ method, target: { origin, path, wirePath: path } }, TASK);

describe('authorizeHttpCall', () => {
  it.each([
    ['GET', '/v4/projects/7'],
    ['GET', '/v4/projects/a%20b'],
    ['POST', '/v4/projects/7/notes'],
  ])('allows %s %s', (method, path) => {
    expect(authorize(method, path)).toEqual({
      permissions: [{ action: `http:${method}`, resource: `https://api.example${path}` }],
      isResolved: true,
    });
  });

  it.each([
    ['POST', '/v4/projects/7', 'path_outside'],
    ['POST', '/v4/projects/7/notes/', 'path_outside'],
    ['GET', '/v4/projects', 'path_outside'],
    ['GET', '/V4/projects/7', 'path_outside'],
    ['DELETE', '/v4/projects/7/notes', 'action_outside'],
    ['HEAD', '/v4/projects/7', 'action_outside'],
    ['CONNECT', '/v4/projects/7', 'request_malformed'],
    ['get', '/v4/projects/7', 'request_malformed'],
  ])('refuses %s %s', (method, path, code) => {
    expect(authorize(method, path)).toMatchObject({ refusal: { code } });
  });

  it('takes a star in a request for a character', () => {
    expect(authorize('POST', '/v4/projects/*/notes').refusal?.code).toBe('path_outside');
  });

  it.each(['http://api.example', 'https://api.example:8443', 'https://api.example.evil'])(
    'refuses the origin %s',
    (origin) => {
      expect(authorize('GET', '/v4/projects/7', origin).refusal?.code).toBe('path_outside');
    },
  );

  it('names action, resource and task in a refusal', () => {
    expect(authorize('POST', '/v4/users')).toEqual({
      permissions: [{ action: 'http:POST', resource: 'https://api.example/v4/users' }],
      isResolved: true,
      refusal: {
        code: 'path_outside',
        message: 'http:POST on https://api.example/v4/users is outside task review',
      },
    });
  });
});
