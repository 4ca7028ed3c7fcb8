import { PRIVATE_HOST } from '../../../lib/contract/authority-api.ts';
import type { Platform } from '../../../lib/contract/platform.ts';
import { toMapping } from '../../../lib/schema/mapping.ts';
import type { ReadResult } from '../status-data.ts';
import { checkRead, failIfAny, report, skip, type CheckResult } from './check-row.ts';

/** The documents of an issuer as this machine fetched them. */
export type PublishedIssuer = {
  /** `issuer` of its discovery document. */
  readonly issuer: unknown;
  /** Parsed key set of its `jwks_uri`. */
  readonly jwks: unknown;
};

export type IssuerFacts = {
  readonly issuer: string;
  readonly dialect: Platform['cloud']['dialect'];
  /** The key set inside of the cluster. */
  readonly own: ReadResult<unknown>;
  /** Absent: the host is private, so that nothing was fetched. */
  readonly published?: ReadResult<PublishedIssuer>;
};

/** Whether only clients inside of a network reach this issuer. */
export const isPrivateIssuer = (issuer: string): boolean =>
  !URL.canParse(issuer) || new RegExp(PRIVATE_HOST).test(new URL(issuer).hostname);

const HINT =
  'publish the issuer as docs/issuer.md describes, and wait until caches hold the new keys';

/** Checks that clouds can fetch the keys that verify the cluster's tokens or grants, and only those. */
export const checkIssuer = ({ issuer, dialect, own, published }: IssuerFacts): CheckResult => {
  if (published === undefined) {
    if (dialect === 's3') return skip(`${issuer} is private: check it from the cloud`);
    const problem = `issuer: expected an https URL that AWS reaches from the internet, got ${issuer}`;
    return report('fail', { problems: [problem], hint: HINT });
  }
  return checkRead(own, (jwks) =>
    checkRead(published, (documents) => compareIssuer({ issuer, own: jwks, documents })),
  );
};

type Comparison = {
  readonly issuer: string;
  readonly own: unknown;
  readonly documents: PublishedIssuer;
};

const compareIssuer = ({ issuer, own, documents }: Comparison): CheckResult => {
  const ownKeys = listKeys(own);
  const publishedKeys = listKeys(documents.jwks);
  const missing = listMissing(ownKeys, publishedKeys);
  const foreign = listMissing(publishedKeys, ownKeys);
  const problems = [
    ...(documents.issuer === issuer
      ? []
      : [`discovery document: expected issuer ${issuer}, got ${String(documents.issuer)}`]),
    ...(ownKeys.size === 0 ? ['keys of the cluster: expected at least one, got none'] : []),
    ...missing.map((kid) => `key ${kid}: expected ${issuer} to publish it, got nothing`),
    ...foreign.map((kid) => `key ${kid}: expected only keys of this cluster, got another one`),
  ];
  return failIfAny(problems, { found: `keys: ${ownKeys.size}, at ${issuer}`, hint: HINT });
};

const MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e'] as const;

/** Public keys by what they verify, with their IDs: two keys of one ID are different. */
const listKeys = (jwks: unknown): ReadonlyMap<string, string> => {
  const { keys } = toMapping(jwks);
  return new Map(
    (Array.isArray(keys) ? keys : []).map(toMapping).map((key) => {
      const kid = String(key['kid']);
      return [JSON.stringify([kid, ...MEMBERS.map((member) => key[member] ?? '')]), kid];
    }),
  );
};

const listMissing = (
  keys: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string>,
): readonly string[] =>
  Array.from(keys)
    .filter(([key]) => !others.has(key))
    .map(([, kid]) => kid);
