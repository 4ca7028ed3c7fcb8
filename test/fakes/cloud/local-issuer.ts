import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';

/** A small OpenID Connect issuer, as a cluster is one for its service accounts. */
export type LocalIssuer = {
  /** `iss`. */
  readonly issuer: string;
  /** Signs claims; `iss` and `iat` are filled where they are missing. */
  readonly sign: (claims: JWTPayload, options?: { readonly forged?: boolean }) => Promise<string>;
  readonly close: () => Promise<void>;
};

const ALGORITHM = 'RS256';
const KEY_ID = 'local-1';

/** Starts an issuer on a free loopback port that publishes its discovery document and its key. */
export const startLocalIssuer = async (now: () => number): Promise<LocalIssuer> => {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM);
  const forgery = await generateKeyPair(ALGORITHM);
  const jwk = { ...(await exportJWK(publicKey)), kid: KEY_ID, alg: ALGORITHM, use: 'sig' };
  const documents = new Map<string, () => object>([
    ['/.well-known/openid-configuration', () => buildDiscovery(issuer)],
    ['/jwks', () => ({ keys: [jwk] })],
  ]);
  const server = createServer((request, response) => {
    const document = documents.get(request.url ?? '');
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document?.() ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    sign: (claims, { forged = false } = {}) =>
      new SignJWT({ iss: issuer, iat: Math.floor(now() / 1000), ...claims })
        .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID })
        .sign(forged ? forgery.privateKey : privateKey),
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
};

const buildDiscovery = (issuer: string) => ({
  issuer,
  jwks_uri: `${issuer}/jwks`,
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: [ALGORITHM],
});
