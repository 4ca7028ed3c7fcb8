import { roleArn } from '../schema/arn.ts';
import {
  boolean,
  refine,
  list,
  object,
  stringEnum,
  string,
  type Reader,
} from '../schema/reader.ts';
import { PARAM_NAME } from '../task/resource.ts';
import { httpsUrl, origin } from './addresses.ts';
import { isCloudAudience } from './audiences.ts';
import { certificateBundle } from './certificate-bundle.ts';
import { withEmptyDefault, withDefault } from './defaults.ts';
import { durationSeconds } from './durations.ts';

/** A sidecar misses at least two heartbeats before its runs end. */
const MIN_DISCONNECT_TIMEOUT_SECONDS = 10;
/** A session has at most 50 tags, and Valetkey sets four. */
const MAX_TAG_PARAMS = 46;

export const audience = string({ expected: 'an audience', pattern: /^[!-~]{1,255}$/ });

export const region = string({
  expected: 'a region such as eu-central-1',
  pattern: /^[a-z0-9-]{1,64}$/,
});

/** URL that sidecars connect to; paths are appended. */
const endpoint: Reader<string> = rejectTrailingSlash(origin(['https:']));

/**
 * `iss` of grants (OpenID Connect Discovery 1.0, section 3). Its documents are published below it. IAM
 * accepts provider URLs of at most 255 characters.
 */
const issuer: Reader<string> = refine(rejectTrailingSlash(httpsUrl), (url) =>
  url.length > 255 || url.includes('?')
    ? 'an https URL of at most 255 characters, without a query'
    : undefined,
);

/** SPIFFE-ID, section 2.1. Shorter than its limit, because `sub` of a grant has at most 255 characters. */
const trustDomain = string({
  expected: 'a SPIFFE trust domain of at most 128 lowercase letters, digits, ., - and _',
  pattern: /^[a-z0-9._-]{1,128}$/,
});

const bucket = string({
  expected: 'the name of a bucket',
  pattern: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
});
const prefix = string({
  expected: 'a key prefix without leading and trailing slashes',
  pattern: /^([\w.-]+(\/[\w.-]+)*)?$/,
  maxLength: 512,
});

const userIssuer = object({
  issuer: httpsUrl,
  jwksUri: httpsUrl,
  audience: refine(audience, (name) =>
    isCloudAudience(name)
      ? 'an audience that only the authority uses and no cloud accepts'
      : undefined,
  ),
  caBundle: { optional: certificateBundle },
  kubernetesName: {
    optional: object({
      claim: stringEnum(['sub', 'email']),
      prefix: string({ expected: 'a prefix, or an empty text', pattern: /^[!-~]{0,255}$/ }),
    }),
  },
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

/** As a task names it: the ARN of a role, an Upstream, or an Upstream and a role of its database. */
const delegableRole = string({
  expected: 'a role ARN, <upstream>, or <upstream>/<template role>',
  pattern: /^(arn:[!-~]{1,640}|[a-z0-9][a-z0-9-]{0,62}(\/[a-z_][a-z0-9_]{0,62})?)$/,
});

const signalTransmitter = object({
  issuer: httpsUrl,
  jwksUri: httpsUrl,
  audience,
  caBundle: { optional: certificateBundle },
});

const signals = object({
  transmitters: withDefault(
    refine(list(signalTransmitter, { max: 8 }), (transmitters) =>
      checkDistinct(transmitters.map((each) => each.issuer)),
    ),
    [],
  ),
});

/** Never every resource of a service: the pods of ordinary agents would be revoked. */
const canary = string({
  expected:
    'a pattern of an ARN with a name, or of a URL with a host and a path: https, git, mcp or postgres',
  pattern: /^(arn:[a-z][a-z-]*:[a-z0-9-]+:[^:]*:[^:]*:\w|(https|git|mcp|postgres):\/\/[^*?/]+\/.)/,
  maxLength: 512,
});

const s3Endpoint = origin(['https:', 'http:']);

/** Reads the `authority` group. Checks across groups follow in `checkAuthoritySettings`. */
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
  approvals: withEmptyDefault(
    object({
      lifetime: withDefault(durationSeconds({ min: 60, max: 3600 }), 900),
      hold: withDefault(durationSeconds({ min: 0, max: 20 }), 0),
      separateDuties: withDefault(boolean, false),
      requireSeparation: withDefault(boolean, false),
      notify: {
        optional: object({
          url: httpsUrl,
          secretName: string({
            expected: 'the name of a Secret',
            pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
          }),
          caBundle: { optional: certificateBundle },
        }),
      },
    }),
  ),
  delegableRoles: withDefault(refine(list(delegableRole, { max: 1000 }), checkDistinct), []),
  canaries: withDefault(refine(list(canary, { max: 64 }), checkDistinct), []),
  signals: withEmptyDefault(signals),
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
  auditExport: {
    optional: object({
      role: roleArn,
      bucket,
      prefix: withDefault(prefix, ''),
      endpoint: { optional: s3Endpoint },
      region: { optional: region },
    }),
  },
});

function rejectTrailingSlash(reader: Reader<string>): Reader<string> {
  return refine(reader, (url) =>
    url.endsWith('/') ? 'a URL without a trailing slash' : undefined,
  );
}

function checkDistinct(names: readonly string[]): string | undefined {
  return new Set(names).size < names.length ? 'each entry only once' : undefined;
}
