import { afterEach, describe, expect, it } from '@jest/globals';

import {
  sendToEndpoint,
  startHttpsServer,
  type HttpsServer,
} from '../../../test/kit/https-server.ts';
import { createVaultSecrets } from './vault-secrets.ts';

const TOKEN = 'hvs.0123456789abcdef';
const KEY = 'sk-0123456789abcdef';

let server: HttpsServer | undefined;
afterEach(() => server?.close());

type Answers = Readonly<Record<string, { status?: number; headers?: object; body?: unknown }>>;
const LOGIN = {
  body: { auth: { client_token: TOKEN, token_type: 'service', lease_duration: 60 } },
};

/** A server that answers as scripted; a real Vault is in the end-to-end tests. */
const fetchFrom = async (answers: Answers) => {
  const received: string[] = [];
  server = await startHttpsServer(() => (request, response) => {
    const call = `${request.method ?? ''} ${(request.url ?? '').replace('/v1/', '')}`;
    received.push(`${call} ${String(request.headers['x-vault-token'] ?? '')}`.trim());
    const { status = 200, headers = {}, body = {} } = answers[call] ?? {};
    response.writeHead(status, headers as Record<string, string>);
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  const { origin, caBundle } = server;
  const source = {
    address: origin,
    mount: 'jwt',
    role: 'agents',
    path: 'kv/a',
    field: 'key',
    caBundle,
  };
  const audiences: string[] = [];
  const fetched = createVaultSecrets({ send: sendToEndpoint }).fetch(source, {
    origin: 'https://api.example',
    level: 'Read',
    resources: [],
    params: {},
    lifetimeSeconds: 60,
    signGrant: (audience) => {
      audiences.push(audience);
      return Promise.resolve('grant');
    },
  });
  const error = await fetched.then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  return { received, audiences, origin, error, fetched };
};

describe('createVaultSecrets', () => {
  it('logs in with a grant for this Vault alone, and reads the secret', async () => {
    const { fetched, audiences, origin, received } = await fetchFrom({
      'POST auth/jwt/login': LOGIN,
      'GET kv/a': { body: { data: { key: KEY } } },
    });
    expect(await fetched).toEqual({ secret: KEY, revocation: TOKEN });
    expect(audiences).toEqual([origin]);
    expect(received).toEqual(['POST auth/jwt/login', `GET kv/a ${TOKEN}`]);
  });

  it.each([
    ['a batch token', { client_token: TOKEN, token_type: 'batch', lease_duration: 60 }],
    ['no token', { token_type: 'service', lease_duration: 60 }],
    ['no lifetime', { client_token: TOKEN, token_type: 'service' }],
    ['nothing', null],
  ])('refuses a login that returns %s', async (_, auth) => {
    const { error } = await fetchFrom({ 'POST auth/jwt/login': { body: { auth } } });
    expect(error).toMatchObject({ code: 'provider_refused' });
  });

  it.each([
    ['a line break', `${TOKEN}\r\nx: y`],
    ['too few characters', 'hvs.short'],
    ['too many characters', `hvs.${'x'.repeat(20_000)}`],
  ])('refuses a token with %s, which may be the secret, and shows none of it', async (_, token) => {
    const { error } = await fetchFrom({
      'POST auth/jwt/login': {
        body: { auth: { client_token: token, token_type: 'service', lease_duration: 60 } },
      },
    });
    expect(error).toMatchObject({ name: 'SecretError', code: 'secret_invalid' });
    expect(String(error)).toMatch(/expected a token that a header can present$/);
  });

  it.each([0, 61, 86_400])(
    'limits a token of %i seconds to the life of the run, or ends it',
    async (lifetime) => {
      const auth = { client_token: TOKEN, token_type: 'service', lease_duration: lifetime };
      const { error, received } = await fetchFrom({
        'POST auth/jwt/login': { body: { auth } },
        'POST auth/token/renew-self': { body: { auth: { lease_duration: 3600 } } },
      });
      expect(error).toMatchObject({ code: 'provider_refused' });
      expect(received.slice(1)).toEqual([
        `POST auth/token/renew-self ${TOKEN}`,
        `POST auth/token/revoke-self ${TOKEN}`,
      ]);
    },
  );

  it.each([
    ['a line break', { data: { key: `${KEY}\r\nx: y` } }],
    ['a list', { data: { key: [KEY] } }],
    ['another form', { data: { data: { key: KEY } } }],
    ['no JSON', 'x'],
  ])('refuses a secret with %s and ends the token, without showing either', async (_, body) => {
    const { error, received } = await fetchFrom({
      'POST auth/jwt/login': LOGIN,
      'GET kv/a': { body },
    });
    expect(error).toMatchObject({ code: 'secret_invalid' });
    expect(String(error)).not.toMatch(/sk-|hvs/);
    expect(received.at(-1)).toBe(`POST auth/token/revoke-self ${TOKEN}`);
  });

  it.each([
    [307, 'provider_refused'],
    [400, 'provider_refused'],
    [403, 'provider_refused'],
    [429, 'secret_unavailable'],
    [503, 'secret_unavailable'],
  ])('reports the status %i as %s and follows no redirect', async (status, code) => {
    const headers = { location: 'http://169.254.169.254/' };
    const { error, received } = await fetchFrom({ 'POST auth/jwt/login': { status, headers } });
    expect(error).toMatchObject({ code });
    expect(received).toEqual(['POST auth/jwt/login']);
  });

  it('reads no answer without end', async () => {
    const body = 'x'.repeat(2 * 1024 * 1024);
    const { error } = await fetchFrom({ 'POST auth/jwt/login': { body } });
    expect(error).toMatchObject({ code: 'secret_unavailable' });
    expect(String(error)).toContain('response_too_large');
  });
});
