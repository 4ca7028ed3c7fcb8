import { listenAddress, origin, type Address } from '../../lib/config/addresses.ts';
import { TRACING_SETTINGS } from '../../lib/config/tracing-settings.ts';
import { certificateBundle } from '../../lib/config/certificate-bundle.ts';
import { checkEnvironment } from '../../lib/config/environment-check.ts';
import { cloudGroup, gatewayAccess } from '../../lib/config/platform-schema.ts';
import {
  formatSettingsHelp,
  readSettings,
  type ParsedSettings,
} from '../../lib/config/environment-settings.ts';
import type { AuthorityAccess } from '../../lib/contract/authority-api.ts';
import { SIDECAR_ENV as ENV } from '../../lib/contract/environment.ts';
import {
  CONSUMER_MOUNT_PATH,
  GATEWAY_LISTEN,
  LOOPBACK_LISTEN,
  TELEMETRY_LISTEN,
  TOKEN_FILE_NAME,
  TOKEN_MOUNT_PATH,
} from '../../lib/contract/paths.ts';
import type { CloudSettings, GatewayAccess } from '../../lib/contract/platform.ts';
import type { AdmittedTasks } from '../../lib/contract/task.ts';
import { fail, succeed, type FieldError, type Result } from '../../lib/schema/field-error.ts';
import {
  refine,
  integer,
  list,
  object,
  stringEnum,
  read,
  rejectValue,
  string,
  type Reader,
} from '../../lib/schema/reader.ts';
import { readAdmittedTasks } from '../../lib/task/admitted-tasks.ts';
import { isReadable } from './token-file.ts';

const admittedTasks: Reader<AdmittedTasks> = (given, path, faults) => {
  const text = typeof given === 'string' ? given : '';
  if (text === '')
    return rejectValue(faults, { path, expected: 'the admitted tasks as JSON', value: given });
  const result = readAdmittedTasks(text);
  if (result.ok) return result.value;
  faults.push(...result.faults.map((fault) => ({ ...fault, source: path })));
  return rejectValue(faults, {
    path,
    expected: 'the tasks as admission wrote them',
    value: 'other text',
  });
};

/** Reads JSON with `reader`; each field error names the variable and the member in it. */
const json =
  <T>(reader: Reader<T>, { root, expected }: { root: string; expected: string }): Reader<T> =>
  (given, path, faults) => {
    const result = read(reader, parseJson(given), root);
    if (result.ok) return result.value;
    faults.push(...result.faults.map((fault) => ({ ...fault, source: path })));
    return rejectValue(faults, { path, expected, value: given });
  };

/** The `cloud` group of the platform settings as JSON, read as the webhook reads it. */
const cloudSettings: Reader<CloudSettings> = json(cloudGroup, {
  root: 'cloud',
  expected: "the platform's cloud settings as JSON",
});

const encrypted: Reader<CloudSettings> = refine(cloudSettings, ({ stsEndpoint, allowHttp }) =>
  stsEndpoint?.startsWith('http:') === true && !allowHttp
    ? 'an https stsEndpoint, or allowHttp: true'
    : undefined,
);

/** The longest STS session. No run lasts longer, so a longer timeout has no effect. */
const MAX_DISCONNECT_TIMEOUT_SECONDS = 43_200;

const authorityAccess: Reader<AuthorityAccess> = json(
  object({
    endpoint: origin(['https:']),
    roots: certificateBundle,
    disconnectTimeoutSeconds: {
      optional: integer({ min: 1, max: MAX_DISCONNECT_TIMEOUT_SECONDS }),
    },
  }),
  { root: 'authority', expected: "the authority's endpoint and trust bundle as JSON" },
);

/** Absent where the webhook knows no gateway; then no task has delivery `sign`. */
const gateway: Reader<GatewayAccess | undefined> = (given, path, faults) =>
  given === '' ? undefined : gatewayJson(given, path, faults);

const gatewayJson: Reader<GatewayAccess> = json(gatewayAccess, {
  root: 'gateway',
  expected: 'the settings of the gateway as JSON',
});

const parseJson = (text: unknown): unknown => {
  try {
    return JSON.parse(String(text));
  } catch {
    return null;
  }
};

const readableFile = refine(string(), (path) => (isReadable(path) ? undefined : 'a readable file'));

const loopbackAddress: Reader<Address> = refine(listenAddress, ({ host }) =>
  host === '127.0.0.1' ? undefined : '127.0.0.1:port, because no other pod can reach it',
);

const name = string({ expected: 'a name', pattern: /^[a-z0-9.-]{1,253}$/ });
const address = string({ expected: 'an IP address', pattern: /^[0-9a-fA-F.:]{2,45}$/ });

/** The kubelet writes one address per IP family, separated by commas. */
const addresses: Reader<readonly string[]> = (given, path, faults) =>
  list(address, { min: 1, max: 2 })(String(given).split(','), path, faults);

const TRUST_MODES = ['authority', 'cluster'] as const;
type TrustMode = (typeof TRUST_MODES)[number];

/** All settings of the sidecar; injection sets each of them. */
const SETTINGS = {
  ...TRACING_SETTINGS,
  trust: {
    name: ENV.trust,
    help: 'cluster: credentials come directly from STS; authority: from the authority',
    reader: stringEnum(TRUST_MODES),
    otherwise: 'cluster',
  },
  admitted: { name: ENV.tasks, help: 'admitted tasks, JSON', reader: admittedTasks },
  cloud: {
    name: ENV.cloud,
    help: "under trust cluster: the platform's cloud settings, JSON",
    reader: encrypted,
  },
  authority: {
    name: ENV.authority,
    help: 'under trust authority: endpoint, roots and disconnectTimeoutSeconds, JSON',
    reader: authorityAccess,
  },
  podName: { name: ENV.podName, help: 'name of the pod', reader: name },
  podNamespace: { name: ENV.podNamespace, help: 'namespace of the pod', reader: name },
  podUid: {
    name: ENV.podUid,
    help: 'UID of the pod, its fixed key; empty: it has none',
    reader: string({ expected: 'a UID', pattern: /^([0-9a-f-]{36})?$/ }),
    otherwise: '',
  },
  podIps: {
    name: ENV.podIps,
    help: 'IP addresses of the pod, separated by commas',
    reader: addresses,
  },
  injectionTemplate: {
    name: ENV.injectionTemplate,
    help: 'SHA-256 of the injection template of this pod',
    reader: string({ expected: '64 hexadecimal digits', pattern: /^([0-9a-f]{64})?$/ }),
    otherwise: '',
  },
  tokenFile: {
    name: ENV.tokenFile,
    help: 'projected service-account token, read at each exchange',
    reader: readableFile,
    otherwise: `${TOKEN_MOUNT_PATH}/${TOKEN_FILE_NAME}`,
  },
  consumersFolder: {
    name: ENV.consumersFolder,
    help: 'directory with one directory per consumer',
    reader: string(),
    otherwise: CONSUMER_MOUNT_PATH,
  },
  loopback: {
    name: ENV.loopback,
    help: 'address for SDKs that cannot use a Unix socket',
    reader: loopbackAddress,
    otherwise: `127.0.0.1:${LOOPBACK_LISTEN}`,
  },
  gateway: {
    name: ENV.gateway,
    help: 'regions, endpoints and limits of the gateway, JSON; required by tasks with delivery sign',
    reader: gateway,
    otherwise: '',
  },
  gatewayListen: {
    name: ENV.gatewayListen,
    help: 'address of the gateway',
    reader: loopbackAddress,
    otherwise: `127.0.0.1:${GATEWAY_LISTEN}`,
  },
  telemetry: {
    name: ENV.telemetry,
    help: "address of probes and metrics; without a host, the pod's address",
    reader: listenAddress,
    otherwise: `:${TELEMETRY_LISTEN}`,
  },
} as const;

type Settings = ParsedSettings<typeof SETTINGS>;
type CommonConfig = Omit<Settings, 'trust' | 'cloud' | 'authority'>;
/** The settings of the other trust mode are neither required nor read. */
export type ClusterConfig = CommonConfig & { readonly trust: 'cluster' } & Pick<Settings, 'cloud'>;
export type AuthorityConfig = CommonConfig & { readonly trust: 'authority' } & Pick<
    Settings,
    'authority'
  >;
export type SidecarConfig = ClusterConfig | AuthorityConfig;

export const HELP = `Exchange the pod's token for short-lived, task-scoped cloud credentials and serve them to the
pod's consumers. Environment variables configure the sidecar:

${formatSettingsHelp(SETTINGS)}
`;

/** Reads the typed settings, or returns all field errors at once, each with its variable. */
export const readSidecarConfig = (
  environment: Readonly<Record<string, string | undefined>>,
): Result<SidecarConfig> => {
  const environmentErrors = checkEnvironment(environment);
  const settings = readSettings(selectSettings(environment[ENV.trust]), environment);
  const faults = [
    ...environmentErrors,
    ...(settings.ok ? checkGateway(settings.value) : settings.faults),
  ];
  if (!settings.ok || faults.length > 0) return fail(faults);
  const { telemetry, podIps } = settings.value;
  const host = telemetry.host === '' ? (podIps[0] ?? '') : telemetry.host;
  // `trust` selects which of the two groups was read.
  return succeed({ ...settings.value, telemetry: { ...telemetry, host } } as SidecarConfig);
};

const checkGateway = ({
  gateway: access,
  admitted: { tasks },
}: Pick<Settings, 'gateway' | 'admitted'>): readonly FieldError[] => {
  const signed = tasks.find(({ delivery }) => delivery === 'sign');
  return signed === undefined || access !== undefined
    ? []
    : [
        {
          path: ENV.gateway,
          expected: `settings of the gateway, because task ${signed.name} has delivery sign`,
          got: 'nothing',
        },
      ];
};

/** An unknown trust mode is a field error by itself; only the settings of `cluster` are checked then. */
const selectSettings = (trust: string | undefined) => {
  const { cloud, authority } = SETTINGS;
  const isAuthority = trust === ('authority' satisfies TrustMode);
  return {
    ...SETTINGS,
    ...(isAuthority ? { cloud: ignoreSetting(cloud) } : { authority: ignoreSetting(authority) }),
  };
};

const ignoreSetting = ({ name, help }: { name: string; help: string }) => ({
  name,
  help,
  reader: (() => undefined) satisfies Reader<undefined>,
});

/** {@link readSidecarConfig} for the environment of this process. */
export const readOwnConfig = (): Result<SidecarConfig> => readSidecarConfig(process.env);
