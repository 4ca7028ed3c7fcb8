import { formatValue } from '../schema/field-error.ts';
import type { FindKey } from './jwks-cache.ts';
import { newRefusedError } from './identity-refusals.ts';
import { verifySignedToken, type SignedClaims } from './signed-token.ts';

/** What a projected service-account token says of its pod: signed, and not yet asked of anybody. */
export type ProjectedClaims = {
  readonly namespace: string;
  readonly pod: { readonly name: string; readonly uid: string };
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  /** From Kubernetes 1.30 on. */
  readonly node?: string;
  /** `exp`, milliseconds since the epoch. */
  readonly expiresAt: number;
};

export type TokenVerifierDeps = {
  /** The cluster's service-account issuer, exact; asked for at each token. */
  readonly issuer: () => string;
  /** `sidecar.audience` of the platform. */
  readonly audience: string;
  readonly findKey: FindKey;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
};

/** API servers choose by the kind of their key; an external signer may use no other. */
const ALGORITHMS = ['RS256', 'ES256', 'ES384', 'ES512'];
/** The injected volume asks for this; API servers shorten lives, and lengthen only their own audience's. */
const MAX_LIFETIME_SECONDS = 600;

/**
 * Makes the verification of projected tokens: the signature, and what the token alone can tell.
 *
 * @returns throws IdentityError: refused (`token_…`), or unavailable (`keys_unavailable`)
 */
export const createTokenVerifier =
  ({ issuer, ...terms }: TokenVerifierDeps): ((token: string) => Promise<ProjectedClaims>) =>
  async (token) => {
    const claims = await verifySignedToken(token, {
      ...terms,
      kind: 'token',
      algorithms: ALGORITHMS,
      issuer: issuer(),
      maxLifetimeSeconds: MAX_LIFETIME_SECONDS,
    });
    return readBoundClaims(claims);
  };

/**
 * Bound claims as API servers write them (pkg/serviceaccount/claims.go). Members that later versions
 * add are none of ours.
 */
const readBoundClaims = (claims: SignedClaims): ProjectedClaims => {
  const bound = getMember(claims, 'kubernetes.io');
  const node = getMember(bound, 'node');
  const read = {
    namespace: readName(bound, 'namespace'),
    pod: readObjectReference(bound, 'pod'),
    serviceAccount: readObjectReference(bound, 'serviceaccount'),
    ...(node !== undefined && { node: readName(node, 'name') }),
    expiresAt: claims.exp * 1000,
  };
  const subject = buildServiceAccountUsername(read);
  if (claims.sub === subject) return read;
  throw newRefusedError('token_claims', `expected sub ${subject}, got ${formatValue(claims.sub)}`);
};

/** How Kubernetes names a service account as a user. */
export const buildServiceAccountUsername = ({
  namespace,
  serviceAccount,
}: Pick<ProjectedClaims, 'namespace' | 'serviceAccount'>): string =>
  `system:serviceaccount:${namespace}:${serviceAccount.name}`;

const readObjectReference = (bound: unknown, member: string): { name: string; uid: string } => {
  const object = getMember(bound, member);
  return { name: readName(object, 'name'), uid: readName(object, 'uid') };
};

const getMember = (value: unknown, member: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, member)
    ? (value as Readonly<Record<string, unknown>>)[member]
    : undefined;

/** A DNS subdomain, as each of these names and UIDs is. */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const readName = (value: unknown, member: string): string => {
  const name = getMember(value, member);
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw newRefusedError(
    'token_claims',
    `expected kubernetes.io claims with a ${member}, got ${formatValue(name)}`,
  );
};
