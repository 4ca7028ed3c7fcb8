import { AUTHORITY_AUDIENCE } from '../contract/authority.ts';
import type { Bind } from '../contract/platform.ts';
import {
  boolean,
  list,
  object,
  oneOf,
  record,
  refuse,
  string,
  value,
  type Reader,
} from '../reading/reader.ts';
import { cidr, origin } from './addresses.ts';
import { audience, authorityGroup } from './authority-members.ts';
import { certificateBundle } from './certificates.ts';
import { orEmpty, withDefault } from './defaults.ts';
import { durationSeconds } from './durations.ts';
import { podsGroup } from './pod-members.ts';

/** STS's longest session: a longer lifetime could not be kept. */
const LONGEST_SECONDS = 43_200;

const lifetime = durationSeconds({ min: 1, max: LONGEST_SECONDS });

const image = string({ expected: 'an image reference', pattern: /^[\w.:/@-]+$/, maxLength: 512 });
const pinnedImage = string({
  expected: 'an image by digest (name@sha256:…)',
  pattern: /^[\w.:/-]+@sha256:[0-9a-f]{64}$/,
});
const quantity = string({
  expected: 'a Kubernetes quantity such as 96Mi or 100m',
  pattern: /^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/,
});
const action = string({
  expected: 'service:Action, written out',
  pattern: /^[a-z0-9-]+:[A-Za-z0-9]+$/,
});
const role = { expected: 'a role ARN', pattern: /^arn:[a-z-]+:iam::(\d{12})?:role\/[\w+=,.@/-]+$/ };

/** What a mesh may add; never a name that loads code, adds trust or steers an SDK. */
const foreignEnvName = string({
  expected:
    'a variable of another mutator (never VALETKEY_*, NODE_*, LD_*, AWS_*, SSL*, OPENSSL_*)',
  pattern: /^(?!VALETKEY_|NODE_|LD_|AWS_|SSL|OPENSSL_|UV_|MALLOC_)[A-Z_][A-Z0-9_]*$/i,
});

const resources = object({
  memory: withDefault(quantity, '96Mi'),
  cpu: withDefault(quantity, '100m'),
});

const accept = object({
  images: withDefault(list(pinnedImage), []),
  env: withDefault(list(foreignEnvName), []),
  maxResources: { optional: object({ memory: quantity, cpu: quantity }) },
});

const bindOf: Readonly<Record<Bind['mode'], Reader<Bind>>> = {
  none: object({ mode: oneOf(['none']) }),
  podIP: object({ mode: oneOf(['podIP']) }),
  cidrs: object({ mode: oneOf(['cidrs']), cidrs: list(cidr, { min: 1, max: 32 }) }),
  vpc: object({
    mode: oneOf(['vpc']),
    vpcId: string({ expected: 'a VPC id such as vpc-0a1b2c3d', pattern: /^vpc-[0-9a-f]{8,17}$/ }),
  }),
};

const bind: Reader<Bind> = (given, path, faults) => {
  const mode = (given as { mode?: unknown } | null | undefined)?.mode;
  if (typeof mode === 'string' && Object.hasOwn(bindOf, mode)) {
    return bindOf[mode as Bind['mode']](given, path, faults);
  }
  const expected = `one of ${Object.keys(bindOf).join(', ')}`;
  return refuse(faults, { path: `${path}.mode`, expected, value: mode });
};

const sidecar = (usualAudience: string) =>
  object({
    image,
    imagePullPolicy: withDefault(oneOf(['Always', 'IfNotPresent', 'Never']), 'IfNotPresent'),
    audience: withDefault(audience, usualAudience),
    resources: orEmpty(resources),
    accept: orEmpty(accept),
  });

/** The `cloud` group alone: the sidecar is given no other. */
export const cloudGroup = object({
  region: string({ expected: 'a region such as eu-central-1', pattern: /^[a-z0-9-]{1,64}$/ }),
  stsEndpoint: { optional: origin(['https:', 'http:']) },
  allowHttp: withDefault(boolean, false),
  caBundle: { optional: certificateBundle },
  httpsProxy: { optional: origin(['http:']) },
  dialect: withDefault(oneOf(['aws', 's3']), 'aws'),
  bind: withDefault(bind, { mode: 'none' }),
});

const tasks = object({
  lifetimeFloor: withDefault(lifetime, 60),
  lifetimeCeiling: withDefault(lifetime, 3600),
  delivery: withDefault(oneOf(['vend']), 'vend'),
  accountIds: withDefault(
    list(string({ expected: "12 digits, as a string ('111122223333')", pattern: /^\d{12}$/ })),
    [],
  ),
  partitions: withDefault(
    list(string({ expected: 'a partition such as aws', pattern: /^[a-z][a-z-]*$/ })),
    [],
  ),
  wildcardOnlyActions: withDefault(boolean, false),
  regionWildcards: withDefault(boolean, false),
  accountWildcards: withDefault(boolean, false),
  mintingActions: withDefault(record(role, list(action, { min: 1 })), {}),
});

const groups = {
  cloud: orEmpty(cloudGroup),
  tasks: orEmpty(tasks),
  pods: orEmpty(podsGroup),
};

const underAuthority = object({
  trust: withDefault(oneOf(['authority', 'cluster']), 'authority'),
  sidecar: orEmpty(sidecar(AUTHORITY_AUDIENCE)),
  ...groups,
  authority: orEmpty(authorityGroup),
});

const underCluster = object({
  trust: oneOf(['cluster']),
  sidecar: orEmpty(sidecar('sts.amazonaws.com')),
  ...groups,
  authority: { optional: value('nothing: it is for trust: authority', isNothing) },
});

type ValueOf<R> = R extends Reader<infer T> ? T : never;
export type PlatformFile = ValueOf<typeof underAuthority> | ValueOf<typeof underCluster>;

/**
 * The file as it is written, defaults filled in; what spans several keys is not judged yet. Which
 * keys there are, and the usual audience, hang on `trust`.
 */
export const platformFile: Reader<PlatformFile> = (given, path, faults) =>
  (given as { trust?: unknown } | null | undefined)?.trust === 'cluster'
    ? underCluster(given, path, faults)
    : underAuthority(given, path, faults);

function isNothing(given: unknown): given is undefined {
  return given === undefined;
}
