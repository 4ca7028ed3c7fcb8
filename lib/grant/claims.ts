import type { AuthoritySettings } from '../contract/platform.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { GRANT_BACKDATE_SECONDS, GRANT_LIFETIME_SECONDS } from './grant-times.ts';
import { buildSourceIdentity, type SessionActor } from './source-identity.ts';
import { buildAuthoritySpiffeId, checkSpiffeId, buildSpiffeId } from './spiffe-id.ts';
import { buildSessionTags, type TagsClaim } from './session-tags.ts';

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
  /** Values of the params in `tagParams`, in grants for token servers. */
  readonly params?: Readonly<Record<string, string>>;
};

/** The run that a grant authorizes. */
export type GrantedRun = SessionActor & {
  readonly task: string;
  readonly run: string;
  /** Values bound by `bindParams`. */
  readonly params: Readonly<Record<string, string>>;
};

export type GrantSettings = Pick<
  AuthoritySettings,
  'issuer' | 'trustDomain' | 'cloudAudience' | 'tagParams'
>;

/**
 * Builds the claims of the grant for one run: a valid JWT-SVID with session tags and source identity.
 *
 * @param now milliseconds since the epoch
 * @throws ExchangeError `refused`: `subject_too_long`, `param_untaggable`
 */
export const buildGrantClaims = (
  run: GrantedRun,
  settings: GrantSettings,
  now: number,
): GrantClaims => {
  const subject = { ...run, trustDomain: settings.trustDomain };
  const [fault] = checkSpiffeId(subject);
  if (fault !== undefined) {
    throw new ExchangeError('refused', 'subject_too_long', formatFieldError(fault));
  }
  return {
    ...buildBaseClaims(settings, now),
    sub: buildSpiffeId(subject),
    jti: run.run,
    'https://aws.amazon.com/tags': buildSessionTags(run, settings.tagParams),
    'https://aws.amazon.com/source_identity': buildSourceIdentity(run),
  };
};

/**
 * Builds the claims of the grant that one server gets for one run: it names no cloud, so that the server
 * cannot use it there. `jti` is the run, or an ID of its own after the run's end.
 *
 * @throws ExchangeError `refused`: `subject_too_long`
 */
export const buildServerClaims = (
  run: Omit<GrantedRun, 'user'>,
  { audience, id = run.run, now }: { audience: string; id?: string; now: number },
  settings: Pick<GrantSettings, 'issuer' | 'trustDomain' | 'tagParams'>,
): GrantClaims => {
  const subject = { ...run, trustDomain: settings.trustDomain };
  const [fault] = checkSpiffeId(subject);
  if (fault !== undefined) {
    throw new ExchangeError('refused', 'subject_too_long', formatFieldError(fault));
  }
  const params = Object.entries(run.params).filter(([name]) => settings.tagParams.includes(name));
  return {
    ...buildBaseClaims({ ...settings, cloudAudience: audience }, now),
    sub: buildSpiffeId(subject),
    jti: id,
    ...(params.length > 0 && { params: Object.fromEntries(params) }),
  };
};

/** Builds the claims of a grant for one of the authority's own roles, which need no tags. */
export const buildAuthorityClaims = (
  { id, now }: { readonly id: string; readonly now: number },
  settings: Pick<GrantSettings, 'issuer' | 'trustDomain' | 'cloudAudience'>,
): GrantClaims => ({
  ...buildBaseClaims(settings, now),
  sub: buildAuthoritySpiffeId(settings.trustDomain),
  jti: id,
});

const buildBaseClaims = (
  { issuer, cloudAudience }: Pick<GrantSettings, 'issuer' | 'cloudAudience'>,
  now: number,
): Pick<GrantClaims, 'iss' | 'aud' | 'iat' | 'exp'> => {
  const iat = Math.floor(now / 1000) - GRANT_BACKDATE_SECONDS;
  return { iss: issuer, aud: cloudAudience, iat, exp: iat + GRANT_LIFETIME_SECONDS };
};
