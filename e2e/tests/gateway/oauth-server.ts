import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';
import { exportJWK } from 'jose';
import {
  createCertificateAuthority,
  signLeaf,
} from '../../../lib/certificate/certificate-authority.ts';
import { nodeAddress } from './upstream-objects.ts';

// Node's own function returns objects that the library, inside Jest, does not take for plain ones.
globalThis.structuredClone = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

export type OAuthServer = {
  readonly origin: string;
  readonly caBundle: string;
  /** The client's private key, PEM. */
  readonly privateKey: string;
  /** Tokens that were revoked. */
  readonly revoked: readonly string[];
  readonly close: () => Promise<void>;
};

/** Serves a real OAuth server with the client `valetkey` on the node's address, which pods reach. */
export const startOAuthServer = async (): Promise<OAuthServer> => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...(await exportJWK(pair.publicKey)), alg: 'RS256', use: 'sig' };
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  const { certificate, key } = await signLeaf(authority, { ...terms, names: [nodeAddress] });
  const server = createServer({ cert: certificate, key });
  await new Promise<void>((resolve) => server.listen(0, nodeAddress, resolve));
  const origin = `https://${nodeAddress}:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(origin, {
    clients: [
      {
        client_id: 'valetkey',
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [jwk] },
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    scopes: ['read'],
    features: {
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: false },
    },
  });
  const revoked: string[] = [];
  provider.on('client_credentials.destroyed', ({ jti }) => revoked.push(jti));
  server.on('request', provider.callback());
  return {
    ...{ origin, revoked, caBundle: authority.certificate },
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
