import { roleArn } from '../schema/arn.ts';
import { refine, list, object, stringEnum, string, type Reader } from '../schema/reader.ts';
import { PARAM_NAME } from '../task/resource.ts';
import { httpsUrl, origin } from './addresses.ts';
import { isCloudAudience } from './audiences.ts';
import { certificateBundle } from './certificate-bundle.ts';
import { withEmptyDefault, withDefault } from './defaults.ts';
import { durationSeconds } from './durations.ts';

/** A run has at least two chances to hear a heartbeat before silence ends it. */
const MIN_DISCONNECT_TIMEOUT_SECONDS = 10;
/** The cloud takes fifty tags; four are ours. */
const MAX_TAG_PARAMS = 46;

export const audience = string({ expected: 'an audience', pattern: /^[!-~]{1,255}$/ });

/** Where sidecars reach it: paths are appended. */
const endpoint: Reader<string> = rejectTrailingSlash(origin(['https:']));

/**
 * `iss` of grants (OpenID Connect Discovery 1.0, section 3): its documents stand below it, and IAM
 * takes no longer provider URL.
 */
const issuer: Reader<string> = refine(rejectTrailingSlash(httpsUrl), (url) =>
  url.length > 255 || url.includes('?')
    ? 'an https URL of at most 255 characters, without a query'
    : undefined,
);

/** SPIFFE-ID, section 2.1; far shorter than its limit, since a grant's `sub` is 255 characters at most. */
const trustDomain = string({
  expected: 'a SPIFFE trust domain of small letters, digits, ., - and _, at most 128',
  pattern: /^[a-z0-9._-]{1,128}$/,
});

const bucket = string({
  expected: 'the name of a bucket',
  pattern: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
});
const prefix = string({
  expected: 'a key prefix without slashes at its ends',
  pattern: /^([\w.-]+(\/[\w.-]+)*)?$/,
  maxLength: 512,
});

const userIssuer = object({
  issuer: httpsUrl,
  jwksUri: httpsUrl,
  audience: refine(audience, (name) =>
    isCloudAudience(name) ? "the authority's own audience, none that a cloud takes" : undefined,
  ),
  caBundle: { optional: certificateBundle },
});

const users = object({
  issuers: withDefault(
    refine(list(userIssuer, { max: 16 }), (issuers) =>
      checkDistinct(issuers.map((each) => each.issuer)),
    ),
    [],
  ),
  maxTokenLifetime: withDefault(durationSeconds({ min: 1, max: 3600 }), 300),
});

const s3Endpoint = origin(['https:', 'http:']);

/** The `authority` group as it is written; what spans other groups is not judged yet. */
export const authorityGroup = object({
  endpoint,
  issuer,
  trustDomain,
  cloudAudience: withDefault(audience, 'sts.amazonaws.com'),
  algorithm: withDefault(stringEnum(['ES256', 'RS256']), 'ES256'),
  tagParams: withDefault(
    refine(
      list(string({ expected: 'the name of a param', pattern: PARAM_NAME }), {
        max: MAX_TAG_PARAMS,
      }),
      checkDistinct,
    ),
    [],
  ),
  users: withEmptyDefault(users),
  disconnectTimeout: {
    optional: durationSeconds({ min: MIN_DISCONNECT_TIMEOUT_SECONDS, max: 43_200 }),
  },
  policyMaxStaleness: withDefault(durationSeconds({ min: 10, max: 86_400 }), 300),
  denyList: {
    optional: object({
      revokerRole: roleArn,
      iamEndpoint: { optional: origin(['https:', 'http:']) },
      roles: refine(list(roleArn, { min: 1, max: 1000 }), checkDistinct),
    }),
  },
  publisher: {
    optional: object({
      role: roleArn,
      bucket,
      prefix: withDefault(prefix, ''),
      s3Endpoint: { optional: s3Endpoint },
    }),
  },
});

function rejectTrailingSlash(reader: Reader<string>): Reader<string> {
  return refine(reader, (url) => (url.endsWith('/') ? 'no slash at its end' : undefined));
}

function checkDistinct(names: readonly string[]): string | undefined {
  return new Set(names).size < names.length ? 'each only once' : undefined;
}
