import { show } from '../reading/fault.ts';
import type { FindKey } from './keys.ts';
import { refused } from './refusals.ts';
import { verifySigned, type SignedClaims } from './signed-token.ts';

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

export type ProjectedTokenTerms = {
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
export const openTokenVerifier =
  ({ issuer, ...terms }: ProjectedTokenTerms): ((token: string) => Promise<ProjectedClaims>) =>
  async (token) => {
    const claims = await verifySigned(token, {
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
  const bound = memberOf(claims, 'kubernetes.io');
  const node = memberOf(bound, 'node');
  const read = {
    namespace: nameOf(bound, 'namespace'),
    pod: readObject(bound, 'pod'),
    serviceAccount: readObject(bound, 'serviceaccount'),
    ...(node !== undefined && { node: nameOf(node, 'name') }),
    expiresAt: claims.exp * 1000,
  };
  const subject = subjectOf(read);
  if (claims.sub === subject) return read;
  throw refused('token_claims', `expected sub ${subject}, got ${show(claims.sub)}`);
};

/** How Kubernetes names a service account as a user. */
export const subjectOf = ({
  namespace,
  serviceAccount,
}: Pick<ProjectedClaims, 'namespace' | 'serviceAccount'>): string =>
  `system:serviceaccount:${namespace}:${serviceAccount.name}`;

const readObject = (bound: unknown, member: string): { name: string; uid: string } => {
  const object = memberOf(bound, member);
  return { name: nameOf(object, 'name'), uid: nameOf(object, 'uid') };
};

const memberOf = (value: unknown, member: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, member)
    ? (value as Readonly<Record<string, unknown>>)[member]
    : undefined;

/** A DNS subdomain, as each of these names and UIDs is. */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const nameOf = (value: unknown, member: string): string => {
  const name = memberOf(value, member);
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw refused(
    'token_claims',
    `expected kubernetes.io claims with a ${member}, got ${show(name)}`,
  );
};
