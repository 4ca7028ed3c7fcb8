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

/** Builds the key set in the given order; each key has the certificate that Ceph RGW requires. */
export const buildJwks = (keys: readonly PublicKey[]): Jwks => ({
  keys: keys.map(({ kid, algorithm, certificate }) => {
    const { key, x5c } = toJwkMembers(certificate);
    return { ...key, kid, use: 'sig', alg: algorithm, x5c };
  }),
});

type Issuer = Pick<AuthoritySettings, 'issuer' | 'algorithm'>;

/** OpenID Connect Discovery 1.0, section 3: the members that clouds read. */
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

/** RFC 8414, section 2: metadata for clients of the authority. */
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

/** A document that a cloud fetches; `path` is relative to the issuer, without a leading slash. */
export type IssuerDocument = { readonly path: string; readonly body: string };

/**
 * Builds the documents by which a cloud verifies grants, as compact JSON (required by Ceph RGW). The keys
 * are first: once the configuration is published, they exist.
 */
export const buildIssuerDocuments = (settings: Issuer, jwks: Jwks): readonly IssuerDocument[] =>
  [
    { path: JWKS_PATH, document: jwks },
    { path: OPENID_METADATA_PATH, document: buildOpenidConfiguration(settings) },
  ].map(({ path, document }) => ({ path: path.slice(1), body: JSON.stringify(document) }));
