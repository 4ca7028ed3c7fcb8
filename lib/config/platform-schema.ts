import { AUTHORITY_AUDIENCE } from '../contract/authority-api.ts';
import { VEND_POLICIES, type SourceRestriction } from '../contract/platform.ts';
import { DELIVERIES } from '../contract/task.ts';
import { PARTITION, roleArn } from '../schema/arn.ts';
import {
  boolean,
  integer,
  list,
  object,
  stringEnum,
  record,
  refine,
  rejectValue,
  string,
  value,
  type Reader,
} from '../schema/reader.ts';
import { cidr, origin } from './addresses.ts';
import { audience, authorityGroup, region } from './authority-settings-schema.ts';
import { certificateBundle } from './certificate-bundle.ts';
import { withEmptyDefault, withDefault } from './defaults.ts';
import { durationSeconds } from './durations.ts';
import { quantityBytes } from './sizes.ts';
import { mayBeAddedToSidecar, SIDECAR_RESERVED_TEXT } from './environment-review.ts';
import { podsGroup } from './pod-settings-schema.ts';

/** The longest session of STS. */
const MAX_LIFETIME_SECONDS = 43_200;

const lifetime = durationSeconds({ min: 1, max: MAX_LIFETIME_SECONDS });

const image = string({ expected: 'an image reference', pattern: /^[\w.:/@-]+$/, maxLength: 512 });
const pinnedImage = string({
  expected: 'an image with a digest (name@sha256:…)',
  pattern: /^[\w.:/-]+@sha256:[0-9a-f]{64}$/,
});
const quantity = string({
  expected: 'a Kubernetes quantity such as 96Mi or 100m',
  pattern: /^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/,
});
const action = string({
  expected: 'service:Action without wildcards',
  pattern: /^[a-z0-9-]+:[A-Za-z0-9]+$/,
});

/** Variables that a mesh may add. */
const foreignEnvName = refine(
  string({ expected: 'the name of a variable', pattern: /^[A-Z_][A-Z0-9_]*$/i }),
  (name) =>
    mayBeAddedToSidecar(name)
      ? undefined
      : `a variable that another mutating webhook may set (not ${SIDECAR_RESERVED_TEXT})`,
);

const resources = object({
  memory: withDefault(quantity, '128Mi'),
  cpu: withDefault(quantity, '100m'),
});

const allowedChanges = object({
  images: withDefault(list(pinnedImage), []),
  env: withDefault(list(foreignEnvName), []),
  maxResources: { optional: object({ memory: quantity, cpu: quantity }) },
});

const sourceRestrictionByMode: Readonly<
  Record<SourceRestriction['mode'], Reader<SourceRestriction>>
> = {
  none: object({ mode: stringEnum(['none']) }),
  podIP: object({ mode: stringEnum(['podIP']) }),
  cidrs: object({ mode: stringEnum(['cidrs']), cidrs: list(cidr, { min: 1, max: 32 }) }),
  vpc: object({
    mode: stringEnum(['vpc']),
    vpcId: string({ expected: 'a VPC id such as vpc-0a1b2c3d', pattern: /^vpc-[0-9a-f]{8,17}$/ }),
  }),
};

const sourceRestriction: Reader<SourceRestriction> = (given, path, faults) => {
  const mode = (given as { mode?: unknown } | null | undefined)?.mode;
  if (typeof mode === 'string' && Object.hasOwn(sourceRestrictionByMode, mode)) {
    return sourceRestrictionByMode[mode as SourceRestriction['mode']](given, path, faults);
  }
  const expected = `one of ${Object.keys(sourceRestrictionByMode).join(', ')}`;
  return rejectValue(faults, { path: `${path}.mode`, expected, value: mode });
};

const secretName = string({
  expected: 'the name of a Secret',
  pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
});

const samplerRatio = value(
  'a number from 0 to 1',
  (given): given is number => typeof given === 'number' && given >= 0 && given <= 1,
);

const createSidecarReader = (defaultAudience: string) =>
  object({
    image,
    imagePullPolicy: withDefault(stringEnum(['Always', 'IfNotPresent', 'Never']), 'IfNotPresent'),
    audience: withDefault(audience, defaultAudience),
    resources: withEmptyDefault(resources),
    allowedChanges: withEmptyDefault(allowedChanges),
    imagePullSecrets: withDefault(list(secretName, { max: 16 }), []),
    tracing: { optional: object({ endpoint: origin(['https:', 'http:']), samplerRatio }) },
  });

const endpoint = object({
  service: string({
    expected: 'the name that requests are signed for, such as s3',
    pattern: /^[a-z0-9-]{1,64}$/,
  }),
  region: { optional: region },
  url: origin(['https:', 'http:']),
});

const unproxiedHost = string({
  expected: 'a host name, an IPv4 address, or a suffix such as .internal.example',
  pattern: /^\.?[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$/,
});

/** Settings of the cloud that the gateway needs too. */
const signedCloudMembers = {
  region,
  regions: { optional: list(region, { min: 1, max: 32 }) },
  endpoints: { optional: list(endpoint, { max: 64 }) },
  allowHttp: withDefault(boolean, false),
  caBundle: { optional: certificateBundle },
  httpsProxy: { optional: origin(['http:']) },
  noProxy: { optional: list(unproxiedHost, { min: 1, max: 64 }) },
  dialect: withDefault(stringEnum(['aws', 's3']), 'aws'),
};

/** Reads the `cloud` group, which is also part of the sidecar's environment. */
export const cloudGroup = object({
  ...signedCloudMembers,
  stsEndpoint: { optional: origin(['https:', 'http:']) },
  sourceRestriction: withDefault(sourceRestriction, { mode: 'none' }),
});

const accountId = string({
  expected: "12 digits, as a string ('111122223333'), or '*' alone for any account",
  pattern: /^(\d{12}|\*)$/,
});

const tasks = object({
  minLifetime: withDefault(lifetime, 60),
  maxLifetime: withDefault(lifetime, 3600),
  delivery: withDefault(stringEnum(DELIVERIES), 'vend'),
  accountIds: withDefault(list(accountId), []),
  partitions: withDefault(
    list(string({ expected: 'a partition such as aws', pattern: PARTITION })),
    [],
  ),
  wildcardOnlyActions: withDefault(boolean, false),
  regionWildcards: withDefault(boolean, false),
  accountWildcards: withDefault(boolean, false),
  mintingActions: withDefault(record(roleArn, list(action, { min: 1 })), {}),
});

const MIB = 1024 * 1024;
const MAX_BODY = { min: MIB, max: 26 * MIB };

const MAX_BUFFERS = { min: MIB, max: 1024 * MIB };

const otherGatewayMembers = {
  fixedKey: withDefault(stringEnum(['auto', 'off']), 'auto'),
  journalLinesPerSecond: withDefault(integer({ min: 1, max: 10_000 }), 200),
  journalResources: withDefault(stringEnum(['full', 'hashed']), 'full'),
};

/** Members of the sidecar's environment that the `gateway` group becomes. */
const gatewayMembers = {
  maxBodyBytes: integer(MAX_BODY),
  bufferBytes: integer(MAX_BUFFERS),
  ...otherGatewayMembers,
};

const gatewayGroup = object({
  maxBody: withDefault(quantityBytes(MAX_BODY), 8 * MIB),
  buffers: withDefault(quantityBytes(MAX_BUFFERS), 32 * MIB),
  ...otherGatewayMembers,
});

/** Reads what the sidecar's gateway needs of the platform's settings, from its environment. */
export const gatewayAccess = refine(
  object({ ...gatewayMembers, ...signedCloudMembers }),
  ({ endpoints = [], allowHttp, maxBodyBytes, bufferBytes }) => {
    if (maxBodyBytes > bufferBytes) return 'a bufferBytes of at least maxBodyBytes';
    return !allowHttp && endpoints.some(({ url }) => url.startsWith('http:'))
      ? 'https endpoints, or allowHttp: true'
      : undefined;
  },
);

const policyGroup = object({ vend: withDefault(stringEnum(VEND_POLICIES), 'free') });

const groups = {
  cloud: withEmptyDefault(cloudGroup),
  tasks: withEmptyDefault(tasks),
  gateway: withEmptyDefault(gatewayGroup),
  policy: withEmptyDefault(policyGroup),
  pods: withEmptyDefault(podsGroup),
};

const authorityPlatform = object({
  trust: withDefault(stringEnum(['authority', 'cluster']), 'authority'),
  sidecar: withEmptyDefault(createSidecarReader(AUTHORITY_AUDIENCE)),
  ...groups,
  authority: withEmptyDefault(authorityGroup),
});

const clusterPlatform = object({
  trust: stringEnum(['cluster']),
  sidecar: withEmptyDefault(createSidecarReader('sts.amazonaws.com')),
  ...groups,
  authority: { optional: value('no value, because it requires trust: authority', isUndefined) },
});

type ReaderValue<R> = R extends Reader<infer T> ? T : never;
export type PlatformFile =
  ReaderValue<typeof authorityPlatform> | ReaderValue<typeof clusterPlatform>;

/**
 * Reads the platform's settings and fills in defaults. Checks across keys follow in `readPlatform`. The
 * accepted keys and the default audience depend on `trust`.
 */
export const platformSchema: Reader<PlatformFile> = (given, path, faults) =>
  (given as { trust?: unknown } | null | undefined)?.trust === 'cluster'
    ? clusterPlatform(given, path, faults)
    : authorityPlatform(given, path, faults);

function isUndefined(given: unknown): given is undefined {
  return given === undefined;
}
