import { generateKeyPairSync } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, jwtVerify, SignJWT, type JWK } from 'jose';
import Provider from 'oidc-provider';

import {
  sendToEndpoint,
  startHttpsServer,
  type HttpsServer,
} from '../../../test/kit/https-server.ts';
import type { SecretRequest } from '../../upstreams/secret-fetcher.ts';
import type { OAuthSource } from '../../upstreams/upstream.ts';
import { createOAuthTokens } from './oauth-tokens.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const RESOURCE = 'https://api.example';
const SECRET = 'client secret+%with=signs';

// Node's own function returns objects that the library, inside Jest, does not take for plain ones.
globalThis.structuredClone = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const grantKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** The authority's grant, as a token server that trusts its issuer would see it. */
const signGrant = (audience: string): Promise<string> =>
  new SignJWT({ sub: 'spiffe://example/ns/team/sa/agent', jti: 'run-1' })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
    .setIssuer('https://issuer.example')
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(grantKey.privateKey);

const createProvider = (origin: string, jwk: JWK): Provider => {
  const provider = new Provider(origin, {
    clients: [
      {
        client_id: 'by-secret',
        client_secret: SECRET,
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['client_credentials', EXCHANGE],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: 'by-key',
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...jwk, alg: 'RS256', use: 'sig' }] },
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    scopes: ['read', 'write'],
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: 'read write', accessTokenFormat: 'opaque' }),
      },
    },
  });
  provider.registerGrantType(
    EXCHANGE,
    async (context) => {
      const { subject_token: token = '', subject_token_type: type } = context.oidc.params;
      const audience = `${origin}/token`;
      const { payload } = await jwtVerify(token, grantKey.publicKey, {
        issuer: 'https://issuer.example',
        audience,
      });
      const Token = provider.ClientCredentials;
      const issued = new Token({ client: context.oidc.client, scope: 'read' });
      context.body = {
        access_token: await issued.save(60),
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: type === 'urn:ietf:params:oauth:token-type:jwt' ? 'Bearer' : 'N_A',
        expires_in: 60,
        scope: String(payload.jti),
      };
    },
    ['subject_token', 'subject_token_type', 'requested_token_type'],
  );
  return provider;
};

describe('createOAuthTokens with a real token server', () => {
  let server: HttpsServer;
  let source: OAuthSource;
  const asked: string[] = [];
  const tokens = createOAuthTokens({
    readKey: (key, { origin, form }) => {
      asked.push(`${key.name} for ${origin} as ${form}`);
      return Promise.resolve({ text: key.name === 'pem' ? PEM : SECRET });
    },
    now: Date.now,
    createId: () => crypto.randomUUID(),
    send: sendToEndpoint,
  });
  const request = {
    origin: RESOURCE,
    level: 'Read',
    resources: [],
    params: {},
    lifetimeSeconds: 60,
    signGrant,
  } as SecretRequest;

  beforeAll(async () => {
    const jwk = await exportJWK(pair.publicKey);
    server = await startHttpsServer((origin) => createProvider(origin, jwk).callback());
    source = {
      tokenUrl: `${server.origin}/token`,
      revocationUrl: `${server.origin}/token/revocation`,
      clientId: 'by-secret',
      auth: 'secret',
      key: { name: 'secret', key: 'k' },
      flow: 'clientCredentials',
      scopes: ['read'],
      resource: RESOURCE,
      caBundle: server.caBundle,
    };
  });
  afterAll(() => server.close());
  const byKey = (): OAuthSource => ({
    ...source,
    clientId: 'by-key',
    auth: 'privateKeyJwt',
    key: { name: 'pem', key: 'k' },
  });

  it('gets a token by client secret, a new one for each run', async () => {
    const { secret, revocation } = await tokens.fetch(source, request);
    expect(revocation).toBe(secret);
    expect((await tokens.fetch(source, request)).secret).not.toBe(secret);
    expect(asked).toContain(`secret for ${server.origin} as token`);
  });

  it('gets a token by a signed assertion', async () => {
    expect((await tokens.fetch(byKey(), request)).secret).toMatch(/^\S{16,}$/);
    expect(asked).toContain(`pem for ${server.origin} as pem`);
  });

  it("exchanges the run's grant, whose audience is the token server", async () => {
    const exchange = { ...source, flow: 'tokenExchange' } as const;
    expect((await tokens.fetch(exchange, request)).secret).toMatch(/^\S{16,}$/);
  });

  it('revokes a token, which the server then does not know any more', async () => {
    const { secret } = await tokens.fetch(source, request);
    const isActive = async (): Promise<unknown> => {
      const credentials = `by-secret:${encodeURIComponent(SECRET).replaceAll('%20', '+')}`;
      const { body } = await sendToEndpoint({
        method: 'POST',
        url: `${server.origin}/token/introspection`,
        headers: {
          'Content-Type': 'application/x-www-form-urlencoded',
          Authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
        },
        body: new URLSearchParams({ token: secret }).toString(),
        caBundle: server.caBundle,
        timeoutMs: 5_000,
        maxBodyBytes: 65_536,
      });
      return (JSON.parse(body) as { active: unknown }).active;
    };
    expect(await isActive()).toBe(true);
    await tokens.revoke(source, secret, signGrant);
    expect(await isActive()).toBe(false);
  });

  it('reads the secret of the client for the server that revokes, which may be another one', async () => {
    const { secret } = await tokens.fetch(source, request);
    const revocationUrl = `https://127.0.0.1:${new URL(server.origin).port}/token/revocation`;
    await tokens.revoke({ ...source, revocationUrl }, secret, signGrant).catch(() => undefined);
    expect(asked.at(-1)).toBe(`secret for ${new URL(revocationUrl).origin} as token`);
  });

  it('reports the code of a refusal, and nothing else of the answer', async () => {
    const other = { ...byKey(), flow: 'tokenExchange' } as const;
    const error: unknown = await tokens
      .fetch(other, request)
      .catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'provider_refused' });
    expect(String(error)).toMatch(/oauth client by-key: localhost:\d+ answered 400 [a-z_]+$/);
    const unknown = { ...byKey(), clientId: 'unknown' };
    await expect(tokens.fetch(unknown, request)).rejects.toMatchObject({
      code: 'provider_refused',
    });
  });

  it('trusts only the CA bundle of the source', async () => {
    const untrusting = { ...source };
    delete (untrusting as { caBundle?: string }).caBundle;
    await expect(tokens.fetch(untrusting, request)).rejects.toMatchObject({
      code: 'secret_unavailable',
    });
  });
});
