import type { Container, EnvFromSource, EnvVar } from '../../contract/pod.ts';
import { formatValue, type Expectation, type FieldError } from '../../schema/field-error.ts';
import { NO_OTHER_IDENTITY, NO_OTHER_PREFIX, OTHER_CLOUD_PREFIXES } from './other-clouds.ts';

const USE_TASKS_ADVICE = 'declare a task and let the sidecar serve credentials';
const NO_STATIC_KEYS: Expectation = { expected: `no static keys: ${USE_TASKS_ADVICE}` };

type DeniedVariable = { readonly names: RegExp; readonly instead: Expectation };

/** Variables of other mechanisms. The first match gives the advice. */
const DENIED_VARIABLES: readonly DeniedVariable[] = [
  {
    names:
      /^(AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|AWS_SECURITY_TOKEN|AWS_ACCESS_KEY|AWS_SECRET_KEY|AWS_BEARER_TOKEN_\w+)$/,
    instead: NO_STATIC_KEYS,
  },
  {
    names: /^(AWS_WEB_IDENTITY_TOKEN_FILE|AWS_ROLE_ARN)$/,
    instead: {
      expected: `no role by another mechanism (SDKs would prefer it): ${USE_TASKS_ADVICE}`,
    },
  },
  {
    names:
      /^(AZURE_FEDERATED_TOKEN_FILE|AZURE_CLIENT_SECRET|AZURE_CLIENT_CERTIFICATE_PATH|GOOGLE_APPLICATION_CREDENTIALS)$/,
    instead: NO_OTHER_IDENTITY,
  },
];

/** With such a prefix, a key of a Secret could become one of the variables above. */
const DENIED_PREFIXES: readonly string[] = ['AWS_', 'VALETKEY_'];

/** Ids of AWS keys, long-lived and temporary (IAM identifiers). */
const KEY_ID = /\b(AKIA|ASIA)[A-Z0-9]{16}\b/;

/** Where tools look for keys by default, and variables in a command that hold or name keys. */
type KeyPlace = {
  readonly file: RegExp;
  readonly assignment: RegExp;
  readonly instead: Expectation;
};

/** A text is checked for each cloud: what it says of one must not hide the other's. */
const KEY_PLACES: readonly KeyPlace[] = [
  {
    file: /(^|[/\s"'=:])\.aws(\/|$)/m,
    assignment:
      /\bAWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|SHARED_CREDENTIALS_FILE|CONFIG_FILE|CREDENTIAL_FILE|WEB_IDENTITY_TOKEN_FILE|ROLE_ARN)=/,
    instead: NO_STATIC_KEYS,
  },
  {
    file: /(^|[/\s"'=:])(\.config\/gcloud(\/|$)|\.azure(\/|$)|application_default_credentials\.json$)/m,
    assignment: /\b(GOOGLE_APPLICATION_CREDENTIALS|AZURE_(CLIENT_SECRET|FEDERATED_TOKEN_FILE))=/,
    instead: NO_OTHER_IDENTITY,
  },
];

/**
 * Checks one variable by its name, its value and its source.
 *
 * @param isSettingsFile whether a path names a file that can hold settings only
 */
export const checkVariable = (
  variable: EnvVar,
  path: string,
  isSettingsFile: (path: string) => boolean,
): readonly FieldError[] => {
  const { name, value = '', valueFrom } = variable;
  const { secretKeyRef, configMapKeyRef, fileKeyRef } = valueFrom ?? {};
  return [
    ...checkVariableName(name, path),
    ...(isKeyFile(variable) && !(name === CONFIG_FILE && isSettingsFile(value))
      ? [
          {
            path,
            expected: name === CONFIG_FILE ? NO_CONFIG_FILE : NO_KEY_FILE,
            got: `${name}=${valueFrom === undefined ? formatValue(value) : 'a value from elsewhere'}`,
          },
        ]
      : []),
    ...(KEY_ID.test(value) ? [{ path: `${path}/value`, ...NO_STATIC_KEYS, got: KEY_ID_TEXT }] : []),
    ...checkVariableName(secretKeyRef?.key, `${path}/valueFrom/secretKeyRef/key`),
    ...checkVariableName(configMapKeyRef?.key, `${path}/valueFrom/configMapKeyRef/key`),
    ...checkVariableName(fileKeyRef?.key, `${path}/valueFrom/fileKeyRef/key`),
  ];
};

/** Never the id itself: the refusal may be read by others than the pod's author. */
const KEY_ID_TEXT = 'the id of an AWS key';

const checkVariableName = (name: string | undefined, path: string): readonly FieldError[] => {
  const refusal = DENIED_VARIABLES.find(({ names }) => names.test(name ?? ''));
  return refusal === undefined ? [] : [{ path, ...refusal.instead, got: formatValue(name) }];
};

const NO_KEY_FILE = `no file of static keys: ${USE_TASKS_ADVICE}`;
const CONFIG_FILE = 'AWS_CONFIG_FILE';
const NO_CONFIG_FILE =
  'no file that may hold keys: set AWS_REGION, AWS_MAX_ATTEMPTS and AWS_RETRY_MODE as variables, or mount a ConfigMap with settings only';

/** AWS profile files: SDKs prefer keys, or a credential process, in these to the sidecar. */
const PROFILE_FILES = [
  'AWS_SHARED_CREDENTIALS_FILE',
  CONFIG_FILE,
  'AWS_CREDENTIAL_FILE',
  'BOTO_CONFIG',
];

/** `/dev/null` means "no file". A path from a Secret, a ConfigMap or the pod's metadata is not known. */
const isKeyFile = ({ name, value = '', valueFrom }: EnvVar): boolean =>
  PROFILE_FILES.includes(name) &&
  (valueFrom !== undefined || (value !== '' && value !== '/dev/null'));

/**
 * Checks the name and the prefix of an imported Secret or ConfigMap. Its content is not read: a
 * webhook that may read Secrets would be an attractive target.
 */
export const checkEnvSource = (source: EnvFromSource, path: string): readonly FieldError[] => {
  const { prefix = '', secretRef, configMapRef } = source;
  const names = [
    { at: 'secretRef/name', kind: 'Secret', name: secretRef?.name ?? '' },
    { at: 'configMapRef/name', kind: 'ConfigMap', name: configMapRef?.name ?? '' },
  ] as const;
  return [
    ...checkPrefix(prefix, `${path}/prefix`),
    ...names
      .filter(({ kind, name }) => isCloudKeyName(kind, name))
      .map(({ at, kind, name }) => ({
        path: `${path}/${at}`,
        ...(isOtherCloudName(name) ? NO_OTHER_IDENTITY : NO_STATIC_KEYS),
        got: `every key of ${kind} ${formatValue(name)}, which holds cloud keys by its name`,
      })),
  ];
};

/** A prefix of both kinds, such as `A`, is reported for the names that are always denied. */
const checkPrefix = (prefix: string, path: string): readonly FieldError[] => {
  const overlaps = (each: string): boolean => each.startsWith(prefix) || prefix.startsWith(each);
  if (prefix === '') return [];
  const got = formatValue(prefix);
  if (DENIED_PREFIXES.some(overlaps)) return [{ path, expected: NO_DENIED_PREFIX, got }];
  return OTHER_CLOUD_PREFIXES.some(overlaps) ? [{ path, ...NO_OTHER_PREFIX, got }] : [];
};

const NO_DENIED_PREFIX = `a prefix that cannot create a name like ${DENIED_PREFIXES.join('…, ')}…`;

const AWS_WORDS: readonly string[] = ['aws', 's3', 'iam'];
const CLOUDS = new Set([...AWS_WORDS, 'gcp', 'google', 'gcloud', 'azure']);
const KEYS = new Set([
  ...['credential', 'credentials', 'cred', 'creds', 'key', 'keys', 'accesskey', 'accesskeys'],
  ...['secret', 'secrets', 'secretkey', 'keyfile'],
]);

/** Words about keys: such an object describes keys and holds none. `aws-access-key-id` is half of a key. */
const DESCRIPTIONS =
  /^(alias(es)?|arns?|config|count(er)?s?|ids|lists?|mappings?|metrics?|names?|paths?|patterns?|polic(y|ies)|prefix(es)?|rotation|rules?|schedules?|schemas?|settings?|suffix(es)?|tags?|usages?)$/;
/** Words about the environment of an object, which may follow what it holds. */
const QUALIFIERS =
  /^(\d+|v\d+|dev|development|env|envs|file|files|main|prod|production|qa|ro|rw|stage|staging|test|uat|vars?)$/;

/**
 * `aws-credentials`, `s3-access-key-prod`, `team.gcp.keys`, `awscreds`; not `s3-key-prefixes`. A ConfigMap
 * is for settings: its name must end with the word for a key.
 */
const isCloudKeyName = (kind: 'Secret' | 'ConfigMap', name: string): boolean => {
  const words = splitWords(name);
  const last = words.findLastIndex((word) => KEYS.has(word));
  if (last === -1 || !words.some((word) => CLOUDS.has(word))) return false;
  const following = words.slice(last + 1);
  return kind === 'ConfigMap'
    ? following.every((word) => QUALIFIERS.test(word))
    : !following.some((word) => DESCRIPTIONS.test(word));
};

const splitWords = (name: string): readonly string[] =>
  name
    .toLowerCase()
    .replace(/\b(aws|gcp|gcloud|azure)(?=(credential|cred|access|secret|key))/g, '$1-')
    .split(/[-._]/);

/** Of a name with a word for a cloud. */
const isOtherCloudName = (name: string): boolean =>
  !splitWords(name).some((word) => AWS_WORDS.includes(word));

/** Finds known locations of keys in commands and mounts of a container. */
export const checkKeyLocations = (container: Container, path: string): readonly FieldError[] => [
  ...listCommands(container).flatMap(({ at, command }) =>
    command.flatMap((word, index) => checkArgument(word, `${path}/${at}/${index}`)),
  ),
  ...(container.volumeMounts ?? []).flatMap(({ mountPath }, index) => {
    const at = `${path}/volumeMounts/${index}/mountPath`;
    return KEY_PLACES.filter(({ file }) => file.test(mountPath)).map(({ instead }) => ({
      path: at,
      ...instead,
      got: formatValue(mountPath),
    }));
  }),
];

const checkArgument = (word: string, path: string): readonly FieldError[] => [
  ...(KEY_ID.test(word) ? [{ path, ...NO_STATIC_KEYS, got: KEY_ID_TEXT }] : []),
  ...KEY_PLACES.flatMap(({ file, assignment, instead }) => {
    const [found] = [file, assignment].flatMap((pattern) => pattern.exec(word)?.[0] ?? []);
    return found === undefined ? [] : [{ path, ...instead, got: formatValue(found.trim()) }];
  }),
];

type Command = { readonly at: string; readonly command: readonly string[] };

/** Every command that a container can run: its own, and those of hooks and probes. */
export const listCommands = (container: Container): readonly Command[] => {
  const { command, args, lifecycle, startupProbe, livenessProbe, readinessProbe } = container;
  const handlers = {
    'lifecycle/postStart': lifecycle?.postStart,
    'lifecycle/preStop': lifecycle?.preStop,
    startupProbe,
    livenessProbe,
    readinessProbe,
  };
  return [
    { at: 'command', command: command ?? [] },
    { at: 'args', command: args ?? [] },
    ...Object.entries(handlers).map(([at, handler]) => ({
      at: `${at}/exec/command`,
      command: handler?.exec?.command ?? [],
    })),
  ];
};
