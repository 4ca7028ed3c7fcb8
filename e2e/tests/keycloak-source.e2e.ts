import { generateKeyPairSync } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK } from 'jose';

import { createOAuthTokens } from '../../lib/edge/oauth/oauth-tokens.ts';
import type { SecretRequest } from '../../lib/upstreams/secret-fetcher.ts';
import type { OAuthSource } from '../../lib/upstreams/upstream.ts';
import { sendToEndpoint } from '../../test/kit/https-server.ts';
import { startKeycloak, type KeycloakServer } from '../../test/kit/keycloak-server.ts';
import { buildKeycloak } from '../keycloak-build.ts';

const MINUTE = 60_000;
const PROTOCOL = '/realms/agents/protocol/openid-connect';
const SECRET = 'client-secret-0123456789';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

const request: SecretRequest = {
  ...{ origin: 'https://api.example', level: 'Read', resources: [], params: {} },
  lifetimeSeconds: 60,
  signGrant: () => Promise.reject(new Error('Keycloak gets no grant')),
};

describe('tokens of a real Keycloak', () => {
  const tokens = createOAuthTokens({
    readKey: ({ name }) => Promise.resolve({ text: name === 'pem' ? PEM : SECRET }),
    now: Date.now,
    createId: () => crypto.randomUUID(),
    send: sendToEndpoint,
  });
  let server: KeycloakServer;

  const createRealm = async (): Promise<void> => {
    const jwk = { ...(await exportJWK(pair.publicKey)), alg: 'RS256', use: 'sig', kid: 'valetkey' };
    const service = {
      ...{ enabled: true, publicClient: false, protocol: 'openid-connect' },
      ...{ serviceAccountsEnabled: true, standardFlowEnabled: false },
      // Keycloak shows the state of a token only to a client in its audience.
      protocolMappers: [
        {
          ...{ name: 'observer', protocol: 'openid-connect' },
          protocolMapper: 'oidc-audience-mapper',
          config: { 'included.client.audience': 'observer', 'access.token.claim': 'true' },
        },
      ],
    };
    const { status } = await server.call('/admin/realms', {
      json: {
        ...{ realm: 'agents', enabled: true },
        clients: [
          {
            ...{ ...service, clientId: 'by-key', clientAuthenticatorType: 'client-jwt' },
            attributes: {
              'use.jwks.string': 'true',
              'jwks.string': JSON.stringify({ keys: [jwk] }),
              'token.endpoint.auth.signing.alg': 'RS256',
            },
          },
          { ...service, clientId: 'by-secret', secret: SECRET },
          { ...service, clientId: 'observer', secret: SECRET },
        ],
      },
    });
    expect(status).toBe(201);
  };

  const buildSource = (auth: 'privateKeyJwt' | 'secret'): OAuthSource => ({
    tokenUrl: `${server.origin}${PROTOCOL}/token`,
    revocationUrl: `${server.origin}${PROTOCOL}/revoke`,
    clientId: auth === 'secret' ? 'by-secret' : 'by-key',
    auth,
    key: { name: auth === 'secret' ? 'secret' : 'pem', key: 'k' },
    flow: 'clientCredentials',
    scopes: [],
    caBundle: server.caBundle,
  });

  const isActive = async (token: string): Promise<unknown> => {
    const { body } = await server.call(`${PROTOCOL}/token/introspect`, {
      form: { token, client_id: 'observer', client_secret: SECRET },
    });
    return body['active'];
  };

  beforeAll(async () => {
    server = await startKeycloak(await buildKeycloak(console.log));
    await createRealm();
  }, 15 * MINUTE);
  afterAll(() => server.close());

  it.each(['privateKeyJwt', 'secret'] as const)(
    'are issued to a client that authenticates by %s, one for each run, and end with it',
    async (auth) => {
      const source = buildSource(auth);
      const first = await tokens.fetch(source, request);
      const second = await tokens.fetch(source, request);
      expect(first.secret).not.toBe(second.secret);
      expect([await isActive(first.secret), await isActive(second.secret)]).toEqual([true, true]);
      await tokens.revoke(source, first.revocation ?? '', request.signGrant);
      expect([await isActive(first.secret), await isActive(second.secret)]).toEqual([false, true]);
    },
    5 * MINUTE,
  );

  it(
    'are refused to a client with another key',
    async () => {
      const other = createOAuthTokens({
        readKey: () =>
          Promise.resolve({
            text: generateKeyPairSync('rsa', { modulusLength: 2048 })
              .privateKey.export({ type: 'pkcs8', format: 'pem' })
              .toString(),
          }),
        now: Date.now,
        createId: () => crypto.randomUUID(),
        send: sendToEndpoint,
      });
      await expect(other.fetch(buildSource('privateKeyJwt'), request)).rejects.toMatchObject({
        code: 'provider_refused',
      });
    },
    MINUTE,
  );
});
