import { toJwkMembers } from '../certificate/key-certificate.ts';
import {
  JWKS_PATH,
  OPENID_METADATA_PATH,
  REVOKE_PATH,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
  TOKEN_PATH,
} from '../contract/authority-api.ts';
import type { AuthoritySettings } from '../contract/platform.ts';
import type { PublicKey } from './key-ring.ts';

/** JSON Web Key Set, RFC 7517. */
export type Jwks = { readonly keys: readonly Readonly<Record<string, unknown>>[] };

/** The keys in the order given, each with the certificate that Ceph RGW asks for. */
export const buildJwks = (keys: readonly PublicKey[]): Jwks => ({
  keys: keys.map(({ kid, algorithm, certificate }) => {
    const { key, x5c } = toJwkMembers(certificate);
    return { ...key, kid, use: 'sig', alg: algorithm, x5c };
  }),
});

type Issuer = Pick<AuthoritySettings, 'issuer' | 'algorithm'>;

/** OpenID Connect Discovery 1.0, section 3: as much of it as clouds read of an issuer of tokens. */
export const buildOpenidConfiguration = ({
  issuer,
  algorithm,
}: Issuer): Record<string, unknown> => ({
  issuer,
  jwks_uri: `${issuer}${JWKS_PATH}`,
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: [algorithm],
  claims_supported: ['iss', 'sub', 'aud', 'exp', 'iat', 'jti'],
});

/** RFC 8414, section 2: what a client of the authority itself needs to know. */
export const buildOauthMetadata = ({
  issuer,
  endpoint,
}: Pick<AuthoritySettings, 'issuer' | 'endpoint'>): Record<string, unknown> => ({
  issuer,
  token_endpoint: `${endpoint}${TOKEN_PATH}`,
  revocation_endpoint: `${endpoint}${REVOKE_PATH}`,
  jwks_uri: `${issuer}${JWKS_PATH}`,
  response_types_supported: [],
  grant_types_supported: [TOKEN_EXCHANGE_GRANT],
  token_endpoint_auth_methods_supported: ['none'],
  revocation_endpoint_auth_methods_supported: ['none'],
  authorization_details_types_supported: [TASK_DETAILS_TYPE],
});

/** A document as a cloud fetches it: `path` below the issuer, without a slash in front. */
export type IssuerDocument = { readonly path: string; readonly body: string };

/**
 * The documents that a cloud reads before it believes a grant, as compact JSON (Ceph RGW reads no
 * other). Keys go first: whoever has the configuration finds them.
 */
export const buildIssuerDocuments = (settings: Issuer, jwks: Jwks): readonly IssuerDocument[] =>
  [
    { path: JWKS_PATH, document: jwks },
    { path: OPENID_METADATA_PATH, document: buildOpenidConfiguration(settings) },
  ].map(({ path, document }) => ({ path: path.slice(1), body: JSON.stringify(document) }));
