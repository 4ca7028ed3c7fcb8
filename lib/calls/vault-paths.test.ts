import { describe, expect, it } from '@jest/globals';

import type { HttpSecret } from '../contract/upstream.ts';
import { authorizeHttpCall } from './http-call-authorization.ts';
import { narrowVaultStatements } from './vault-paths.ts';

const ORIGIN = 'https://vault.example';
const buildSecret = (header: string, url: string): HttpSecret => ({
  kind: 'http',
  headers: { [header]: 'hvs.secret' },
  echoes: [],
  upstream: {
    ...{ name: 'vault', url, protocol: 'http', query: { deny: [] }, encodedSlash: 'refuse' },
    headers: { pass: [], set: {} },
    ...{ allowHttp: false, privateAddresses: false, maxBodyBytes: 1 },
  },
});

const isAllowed = (
  resources: readonly string[],
  path: string,
  { header = 'x-vault-token', base = '' } = {},
): boolean => {
  const target = { origin: ORIGIN, path: `${base}${path}`, wirePath: `${base}${path}` };
  const allow = [
    { actions: ['http:GET'], resources: resources.map((each) => `${ORIGIN}${base}${each}`) },
  ];
  const narrowed = narrowVaultStatements(allow, target, buildSecret(header, `${ORIGIN}${base}`));
  const { refusal } = authorizeHttpCall(
    { method: 'GET', target },
    { name: 'secrets', allow: narrowed },
  );
  return refusal === undefined;
};

describe('narrowVaultStatements', () => {
  it.each([
    ['secrets by a pattern', ['/v1/secret/*'], '/v1/secret/data/a', true],
    ['secrets by a pattern for all', ['/v1/*'], '/v1/secret/data/a', true],
    ['a mount whose name begins so', ['/v1/*'], '/v1/system/a', true],
    ['a secret with such a name', ['/v1/*'], '/v1/secret/data/sys/a', true],
    ['a literal path below sys', ['/v1/sys/health'], '/v1/sys/health', true],
    [
      'a literal path below auth',
      ['/v1/auth/token/lookup-self'],
      '/v1/auth/token/lookup-self',
      true,
    ],
    ['sys by a pattern for all', ['/v1/*'], '/v1/sys/mounts', false],
    ['sys itself', ['/v1/*'], '/v1/sys', false],
    ['auth by a pattern of it', ['/v1/auth/*'], '/v1/auth/token/create', false],
    ['auth by a pattern without a version', ['/*'], '/v1/auth/token/create', false],
    ['auth by a pattern beside a literal', ['/v1/sys/health', '/v1/*'], '/v1/auth/token', false],
  ])('decides about %s', (_what, resources, path, expected) => {
    expect(isAllowed(resources, path)).toBe(expected);
    expect(isAllowed(resources, path, { base: '/vault' })).toBe(expected);
  });

  it('leaves other APIs as they are', () => {
    expect(isAllowed(['/v1/*'], '/v1/sys/mounts', { header: 'authorization' })).toBe(true);
  });
});
