import { readFileSync } from 'node:fs';

import { listenAddress } from '../../lib/config/addresses.ts';
import { checkEnvironment } from '../../lib/config/environment-check.ts';
import { durationSeconds } from '../../lib/config/durations.ts';
import { createPlatformFileReader } from '../../lib/config/platform-file.ts';
import { TRACING_SETTINGS } from '../../lib/config/tracing-settings.ts';
import {
  formatSettingsHelp,
  readSettings,
  type ParsedSettings,
} from '../../lib/config/environment-settings.ts';
import { AUTHORITY_LISTEN, AUTHORITY_TELEMETRY_LISTEN } from '../../lib/contract/authority-api.ts';
import {
  AUTHORITY_ENV as ENV,
  AUTHORITY_TUNING_ENV as TUNING,
  LOG_LEVEL_ENV,
  PLATFORM_FILE,
} from '../../lib/contract/environment.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import { LOG_LEVELS } from '../../lib/edge/telemetry/pino-log.ts';
import { quantityBytes } from '../../lib/config/sizes.ts';
import { fail, succeed, type FieldError, type Result } from '../../lib/schema/field-error.ts';
import { dnsLabel, stringEnum, rejectValue, string, type Reader } from '../../lib/schema/reader.ts';

const name = string({ expected: 'a name', pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/ });
const DAY = 86_400;

type AuthorityPlatform = Platform & { readonly authority: AuthoritySettings };

/** Reads the platform file; it must have `trust: authority`. */
const readAuthorityPlatform: Reader<AuthorityPlatform> = (path, variable, faults) => {
  const platform = readPlatformFile(path, variable, faults);
  if (typeof platform === 'symbol') return platform;
  const { authority, ...rest } = platform;
  if (authority !== undefined) return { ...rest, authority };
  return rejectValue(faults, { path: variable, expected: 'trust: authority', value: rest.trust });
};

const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};
const readPlatformFile = createPlatformFileReader(readText);

/** An optional size: a Kubernetes quantity of at least 1 MiB, in bytes. */
const sizeBytes = quantityBytes({ min: 1024 * 1024 });
const optionalBytes: Reader<number | undefined> = (given, path, faults) =>
  given === '' ? undefined : sizeBytes(given, path, faults);

const retention = durationSeconds({ min: 3600, max: 3650 * DAY });
const optionalRetention: Reader<number | undefined> = (given, path, faults) =>
  given === '' ? undefined : retention(given, path, faults);

/** A positive integer, as text. */
const positiveInteger: Reader<number> = (given, path, faults) =>
  /^[1-9]\d{0,6}$/.test(String(given))
    ? Number(given)
    : rejectValue(faults, { path, expected: 'a whole number from 1 to 9999999', value: given });

/** Defaults of limits that decide about the size of an installation. */
export const DEFAULT_LIMITS = { namespaceRate: 50, connections: 8_192 };

const SETTINGS = {
  ...TRACING_SETTINGS,
  platform: {
    name: ENV.platformFile,
    help: 'platform settings, a YAML file',
    reader: readAuthorityPlatform,
    otherwise: PLATFORM_FILE,
  },
  namespace: { name: ENV.namespace, help: 'namespace the authority runs in', reader: dnsLabel },
  podName: {
    name: ENV.podName,
    help: 'name of this replica and of its audit chain',
    reader: name,
  },
  caSecret: {
    name: ENV.caSecret,
    help: 'Secret with the CA of the serving certificates',
    reader: name,
    otherwise: 'valetkey-authority-ca',
  },
  keysSecret: {
    name: ENV.keysSecret,
    help: 'Secret with the signing keys of grants',
    reader: name,
    otherwise: 'valetkey-authority-keys',
  },
  auditSecret: {
    name: ENV.auditSecret,
    help: 'Secret with the keys of audit checkpoints and of run IDs',
    reader: name,
    otherwise: 'valetkey-authority-audit',
  },
  secretsNamespace: {
    name: ENV.secretsNamespace,
    help: 'namespace of the Secrets that Upstreams name; empty: none',
    reader: string({
      expected: 'a DNS label, or nothing',
      pattern: /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$/,
    }),
    otherwise: '',
  },
  auditFolder: {
    name: ENV.auditFolder,
    help: 'folder of the audit files; empty: standard output only',
    reader: string(),
    otherwise: '',
  },
  auditVolumeBytes: {
    name: ENV.auditVolumeBytes,
    help: 'size of the volume of the audit files, such as 1Gi',
    reader: optionalBytes,
    otherwise: '',
  },
  auditMaxBytes: {
    name: ENV.auditMaxBytes,
    help: 'total size at which the oldest audit file is removed; empty: 70 % of the volume',
    reader: optionalBytes,
    otherwise: '',
  },
  auditRetainSeconds: {
    name: ENV.auditRetain,
    help: 'age at which an audit file is removed, such as 90d; empty: only by size',
    reader: optionalRetention,
    otherwise: '',
  },
  listen: {
    name: ENV.listen,
    help: 'HTTPS address for sidecars and clouds; without a host, all addresses',
    reader: listenAddress,
    otherwise: `:${AUTHORITY_LISTEN}`,
  },
  telemetry: {
    name: ENV.telemetry,
    help: 'HTTP address for probes and metrics',
    reader: listenAddress,
    otherwise: `:${AUTHORITY_TELEMETRY_LISTEN}`,
  },
  logLevelFile: {
    name: ENV.logLevelFile,
    help: 'file with the level of the log, read again every 5 seconds; without it the next variable applies',
    reader: string(),
    otherwise: '',
  },
  logLevel: {
    name: LOG_LEVEL_ENV,
    help: LOG_LEVELS.join(', '),
    reader: stringEnum(LOG_LEVELS),
    otherwise: 'info',
  },
  kubeconfig: {
    name: TUNING.kubeconfig,
    help: 'kubeconfig file, for the demo and development',
    reader: string(),
    otherwise: '',
  },
  authorityLifetimeSeconds: {
    name: TUNING.authorityLifetime,
    help: 'lifetime of a CA: it is published for one third, then signs for one third',
    reader: durationSeconds({ min: 3600, max: 3650 * DAY }),
    otherwise: '365d',
  },
  leafLifetimeSeconds: {
    name: TUNING.leafLifetime,
    help: "lifetime of a replica's certificate, renewed after two thirds",
    reader: durationSeconds({ min: 600, max: 90 * DAY }),
    otherwise: '7d',
  },
  keyLifetimeSeconds: {
    name: TUNING.keyLifetime,
    help: 'how long a signing key signs grants',
    reader: durationSeconds({ min: 600, max: 365 * DAY }),
    otherwise: '30d',
  },
  podAddresses: {
    name: TUNING.podAddresses,
    help: "compare: a pod's token must come from an address of the pod; ignore: for networks that hide it",
    reader: stringEnum(['compare', 'ignore']),
    otherwise: 'compare',
  },
  peerRate: {
    name: TUNING.peerRate,
    help: 'sustained requests per second from one address, per replica as the next three; the burst is thirty times as many',
    reader: positiveInteger,
    otherwise: '100',
  },
  podRate: {
    name: TUNING.podRate,
    help: 'requests per second from one pod',
    reader: positiveInteger,
    otherwise: '2',
  },
  callRate: {
    name: TUNING.callRate,
    help: 'calls per second from one pod that policy decides one by one; a namespace has ten times as many; the burst is twice as many',
    reader: positiveInteger,
    otherwise: '20',
  },
  serviceAccountRate: {
    name: TUNING.serviceAccountRate,
    help: 'requests per second from the pods of one service account',
    reader: positiveInteger,
    otherwise: '20',
  },
  namespaceRate: {
    name: TUNING.namespaceRate,
    help: 'requests per second from the pods of one namespace',
    reader: positiveInteger,
    otherwise: String(DEFAULT_LIMITS.namespaceRate),
  },
  namespaceAuditMebibytes: {
    name: TUNING.namespaceAuditMebibytes,
    help: 'MiB of audit records per hour from the pods of one namespace, per replica; a burst is as much',
    reader: positiveInteger,
    otherwise: '64',
  },
  verifications: {
    name: TUNING.verifications,
    help: 'concurrent verifications of tokens',
    reader: positiveInteger,
    otherwise: '256',
  },
  connections: {
    name: TUNING.connections,
    help: 'concurrent connections, including one event stream per sidecar',
    reader: positiveInteger,
    otherwise: String(DEFAULT_LIMITS.connections),
  },
  connectionsPerPeer: {
    name: TUNING.connectionsPerPeer,
    help: 'concurrent connections from one address: a pod uses an event stream and a few more; raise it if the network hides pods behind their node',
    reader: positiveInteger,
    otherwise: '256',
  },
} as const;

export type AuthorityConfig = ParsedSettings<typeof SETTINGS>;

export const HELP = `Valetkey's authority: identifies callers, evaluates policy, exchanges grants for
cloud credentials, writes audit records, revokes runs. Settings are environment variables:

${formatSettingsHelp(SETTINGS)}

To rotate the CA immediately, change the annotation valetkey.dev/rotate on its Secret. To replace the
signing keys immediately, change the annotation valetkey.dev/taint on their Secret.
`;

/** Reads the settings, or returns all field errors with their variable or file. */
export const readAuthorityConfig = (
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Result<AuthorityConfig> => {
  const environmentErrors = checkEnvironment(environment);
  const settings = readSettings(SETTINGS, environment);
  const faults = [
    ...environmentErrors,
    ...(settings.ok ? checkCrossFieldRules(settings.value) : settings.faults),
  ];
  return settings.ok && faults.length === 0 ? succeed(settings.value) : fail(faults);
};

const checkCrossFieldRules = (config: AuthorityConfig): readonly FieldError[] => [
  ...checkLifetimes(config),
  ...checkAuditSize(config),
];

/**
 * Default and maximum of the files' share of their volume. The rest holds what is written while the oldest
 * file is removed, and what the file system needs; less than 20 % free is reported by an alert.
 */
export const AUDIT_VOLUME_SHARE = 0.7;

const checkAuditSize = ({
  auditMaxBytes = 0,
  auditVolumeBytes = Infinity,
}: AuthorityConfig): readonly FieldError[] => {
  const max = Math.floor(auditVolumeBytes * AUDIT_VOLUME_SHARE);
  if (auditMaxBytes <= max) return [];
  const expected = `at most 70 % of ${ENV.auditVolumeBytes} (${max} bytes)`;
  return [{ path: ENV.auditMaxBytes, expected, got: `${auditMaxBytes} bytes` }];
};

const checkLifetimes = ({
  authorityLifetimeSeconds,
  leafLifetimeSeconds,
}: AuthorityConfig): readonly FieldError[] => {
  if (leafLifetimeSeconds * 3 <= authorityLifetimeSeconds) return [];
  const expected = `at most a third of ${TUNING.authorityLifetime} (${authorityLifetimeSeconds}s)`;
  return [{ path: TUNING.leafLifetime, expected, got: `${leafLifetimeSeconds}s` }];
};
