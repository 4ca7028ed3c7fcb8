import { certificateBundle } from '../config/certificate-bundle.ts';
import { withDefault } from '../config/defaults.ts';
import { durationSeconds } from '../config/durations.ts';
import { isMapping } from '../schema/mapping.ts';
import {
  integer,
  list,
  object,
  record,
  refine,
  rejectValue,
  string,
  stringEnum,
  transform,
  type Reader,
} from '../schema/reader.ts';
import { baseUrl, headerName, httpsEndpoint, httpsOrigin, secretKey } from './fields.ts';
import type { Presentation, SecretSource } from './upstream.ts';

const DAY_SECONDS = 86_400;

const kubernetes = object({
  ...secretKey,
  maxAge: { optional: durationSeconds({ min: DAY_SECONDS, max: 3650 * DAY_SECONDS }) },
});

const vaultPath = string({
  expected: 'a path of Vault such as secret/data/agents, without dot segments',
  pattern: /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w.{}-]+(?:\/[\w.{}-]+)*$/,
  maxLength: 512,
});

const vault = refine(
  object({
    address: httpsOrigin,
    mount: vaultPath,
    role: string({ expected: 'the name of a role', pattern: /^[\w.-]{1,128}$/ }),
    path: { optional: vaultPath },
    field: { optional: string({ expected: 'a field name', pattern: /^[\w.-]{1,128}$/ }) },
    caBundle: { optional: certificateBundle },
  }),
  ({ path, field }) =>
    (path === undefined) === (field === undefined) ? undefined : 'path and field together',
);

const scope = string({
  expected: 'a scope (RFC 6749, section 3.3)',
  pattern: /^[!#-[\]-~]{1,256}$/,
});

const oauth = refine(
  object({
    tokenUrl: httpsEndpoint,
    revocationUrl: { optional: httpsEndpoint },
    clientId: string({ expected: 'a client ID', pattern: /^[!-~]{1,256}$/ }),
    auth: stringEnum(['privateKeyJwt', 'grant', 'secret']),
    key: { optional: object(secretKey) },
    flow: withDefault(stringEnum(['clientCredentials', 'tokenExchange']), 'clientCredentials'),
    scopes: withDefault(list(scope, { max: 32 }), []),
    resource: { optional: baseUrl },
    caBundle: { optional: certificateBundle },
  }),
  ({ auth, key, tokenUrl, revocationUrl = tokenUrl }) => {
    if ((auth === 'grant') !== (key === undefined)) {
      return 'key with auth privateKeyJwt or secret, and no key with auth grant';
    }
    // A grant is signed for tokenUrl. No annotation of a Secret says who else may get it.
    return auth !== 'grant' || new URL(revocationUrl).origin === new URL(tokenUrl).origin
      ? undefined
      : 'revocationUrl of the origin of tokenUrl with auth grant';
  },
);

const permissions = record(
  string({ expected: 'a permission of GitHub', pattern: /^[a-z_]{1,64}$/ }),
  stringEnum(['read', 'write', 'admin']),
);

const githubApp = object({
  appId: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  installationId: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  privateKey: object(secretKey),
  permissions: object({ Read: permissions, Write: { optional: permissions } }),
  apiUrl: { optional: httpsEndpoint },
});

/** Reads a mapping with exactly one of these members. */
const oneMember =
  <T>(members: Readonly<Record<string, Reader<T>>>): Reader<T> =>
  (given, path, faults) => {
    const entries = Object.entries(isMapping(given) ? given : {});
    const [[name, member] = ['', undefined]] = entries;
    const reader = Object.hasOwn(members, name) ? members[name] : undefined;
    if (entries.length === 1 && reader !== undefined) {
      return reader(member, `${path}.${name}`, faults);
    }
    const expected = `exactly one of ${Object.keys(members).join(', ')}`;
    return rejectValue(faults, { path, expected, value: given });
  };

/** Reads `secret` of an Upstream. */
export const secretSource: Reader<SecretSource> = oneMember<SecretSource>({
  kubernetes: transform(kubernetes, ({ maxAge, ...key }) => ({
    kind: 'kubernetes',
    ...key,
    ...(maxAge === undefined ? {} : { maxAgeSeconds: maxAge }),
  })),
  vault: transform(vault, (source) => ({ kind: 'vault', ...source })),
  oauth: transform(oauth, (source) => ({ kind: 'oauth', ...source })),
  githubApp: transform(githubApp, (source) => ({ kind: 'githubApp', ...source })),
});

const template = refine(
  string({
    expected: 'visible ASCII characters with {secret}, such as Bearer {secret}',
    pattern: /^[!-~]+(?: [!-~]+)*$/,
    maxLength: 256,
  }),
  (text) => (text.split('{secret}').length === 2 ? undefined : 'a text with {secret} once'),
);

/** Reads `present` of an Upstream. */
export const presentation: Reader<Presentation> = oneMember<Presentation>({
  header: transform(object({ name: headerName, template }), (header) => ({
    kind: 'header',
    ...header,
  })),
  basic: transform(
    object({
      username: string({
        expected: 'a user name without a colon (RFC 7617)',
        pattern: /^[!-9;-~]{1,128}$/,
      }),
    }),
    (basic) => ({ kind: 'basic', ...basic }),
  ),
});
