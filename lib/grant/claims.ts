import type { AuthoritySettings } from '../contract/platform.ts';
import { ExchangeError } from '../credentials/exchange.ts';
import { describeFault } from '../reading/fault.ts';
import { GRANT_BACKDATE_SECONDS, GRANT_LIFETIME_SECONDS } from './grant-times.ts';
import { sourceIdentity, type Acting } from './source-identity.ts';
import { authoritySpiffeId, judgeSpiffeId, spiffeId } from './spiffe-id.ts';
import { tagsOf, type TagsClaim } from './tags.ts';

/** Claims of a grant. Times are whole seconds since the epoch (RFC 7519, section 2). */
export type GrantClaims = {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  readonly 'https://aws.amazon.com/tags'?: TagsClaim;
  readonly 'https://aws.amazon.com/source_identity'?: string;
};

/** The run that a grant is for. */
export type GrantedRun = Acting & {
  readonly task: string;
  readonly run: string;
  /** Bound by `bindParams`. */
  readonly params: Readonly<Record<string, string>>;
};

export type GrantSettings = Pick<
  AuthoritySettings,
  'issuer' | 'trustDomain' | 'cloudAudience' | 'tagParams'
>;

/**
 * Claims of the grant for one run: a valid JWT-SVID that STS reads tags and source identity from.
 *
 * @param now milliseconds since the epoch
 * @throws ExchangeError `refused`: `subject_too_long`, `param_untaggable`
 */
export const grantClaims = (run: GrantedRun, settings: GrantSettings, now: number): GrantClaims => {
  const subject = { ...run, trustDomain: settings.trustDomain };
  const [fault] = judgeSpiffeId(subject);
  if (fault !== undefined) {
    throw new ExchangeError('refused', 'subject_too_long', describeFault(fault));
  }
  return {
    ...common(settings, now),
    sub: spiffeId(subject),
    jti: run.run,
    'https://aws.amazon.com/tags': tagsOf(run, settings.tagParams),
    'https://aws.amazon.com/source_identity': sourceIdentity(run),
  };
};

/** Claims of a grant for the authority's own rights: its roles ask for no tags. */
export const ownClaims = (
  { id, now }: { readonly id: string; readonly now: number },
  settings: Pick<GrantSettings, 'issuer' | 'trustDomain' | 'cloudAudience'>,
): GrantClaims => ({
  ...common(settings, now),
  sub: authoritySpiffeId(settings.trustDomain),
  jti: id,
});

const common = (
  { issuer, cloudAudience }: Pick<GrantSettings, 'issuer' | 'cloudAudience'>,
  now: number,
): Pick<GrantClaims, 'iss' | 'aud' | 'iat' | 'exp'> => {
  const iat = Math.floor(now / 1000) - GRANT_BACKDATE_SECONDS;
  return { iss: issuer, aud: cloudAudience, iat, exp: iat + GRANT_LIFETIME_SECONDS };
};
