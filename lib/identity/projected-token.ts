import { formatValue } from '../schema/field-error.ts';
import type { FindKey } from './jwks-cache.ts';
import { newRefusedError } from './identity-refusals.ts';
import { IdentityError } from './workload.ts';
import { verifySignedToken, type SignedClaims } from './signed-token.ts';

/** Claims of a verified service-account token; the API server was not asked about the pod yet. */
export type ProjectedClaims = {
  readonly namespace: string;
  readonly pod: { readonly name: string; readonly uid: string };
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  /** Set by Kubernetes 1.30 and later. */
  readonly node?: string;
  /** `exp`, milliseconds since the epoch. */
  readonly expiresAt: number;
};

export type TokenVerifierDeps = {
  /** Returns the cluster's service-account issuer, which must match exactly. */
  readonly issuer: () => string;
  /** `sidecar.audience` of the platform. */
  readonly audience: string;
  readonly findKey: FindKey;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
};

/** API servers choose by the type of their key; an external signer may use no other algorithm. */
const ALGORITHMS = ['RS256', 'ES256', 'ES384', 'ES512'];
/** The injected volume requests this; API servers extend only tokens for their own audience. */
const MAX_LIFETIME_SECONDS = 600;

/**
 * Creates the verifier of projected tokens: signature and claims, without a call to the API server.
 *
 * @returns throws IdentityError: refused (`token_…`), or unavailable (`keys_unavailable`)
 */
export const createTokenVerifier =
  ({ issuer, ...deps }: TokenVerifierDeps): ((token: string) => Promise<ProjectedClaims>) =>
  async (token) => {
    const claims = await verifySignedToken(token, {
      ...deps,
      kind: 'token',
      algorithms: ALGORITHMS,
      issuer: issuer(),
      maxLifetimeSeconds: MAX_LIFETIME_SECONDS,
    });
    try {
      return readBoundClaims(claims);
    } catch (error) {
      throw error instanceof IdentityError ? withSignedClaims(error, claims) : error;
    }
  };

const withSignedClaims = (
  { kind, code, message }: IdentityError,
  signedClaims: SignedClaims,
): IdentityError => new IdentityError(kind, code, message, { signedClaims });

/**
 * The pod that a refused token names, if its signature is valid.
 *
 * @param error what the verifier threw
 */
export const findSignedPod = (
  error: unknown,
): Pick<ProjectedClaims, 'namespace' | 'pod'> | undefined => {
  if (!(error instanceof IdentityError) || error.signedClaims === undefined) return undefined;
  const bound = getMember(error.signedClaims, 'kubernetes.io');
  try {
    return { namespace: readName(bound, 'namespace'), pod: readObjectReference(bound, 'pod') };
  } catch {
    return undefined;
  }
};

/** Reads the bound claims (Kubernetes pkg/serviceaccount/claims.go). Unknown members are ignored. */
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

/** The user name that Kubernetes gives to a service account. */
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

/** A DNS subdomain; all of these names and UIDs are. */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const readName = (value: unknown, member: string): string => {
  const name = getMember(value, member);
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw newRefusedError(
    'token_claims',
    `expected kubernetes.io claims with a ${member}, got ${formatValue(name)}`,
  );
};
