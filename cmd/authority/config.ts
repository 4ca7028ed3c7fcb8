import { readFileSync } from 'node:fs';

import { listenAddress } from '../../lib/config/addresses.ts';
import { checkEnvironment } from '../../lib/config/environment-check.ts';
import { durationSeconds } from '../../lib/config/durations.ts';
import { createPlatformFileReader } from '../../lib/config/platform-file.ts';
import {
  formatSettingsHelp,
  readSettings,
  type ParsedSettings,
} from '../../lib/config/environment-settings.ts';
import { AUTHORITY_LISTEN, AUTHORITY_TELEMETRY_LISTEN } from '../../lib/contract/authority-api.ts';
import {
  AUTHORITY_ENV as ENV,
  AUTHORITY_TUNING_ENV as TUNING,
  PLATFORM_FILE,
} from '../../lib/contract/environment.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import { LOG_LEVELS } from '../../lib/edge/telemetry/pino-log.ts';
import { fail, succeed, type FieldError, type Result } from '../../lib/schema/field-error.ts';
import { dnsLabel, stringEnum, rejectValue, string, type Reader } from '../../lib/schema/reader.ts';

const name = string({ expected: 'a name', pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/ });
const DAY = 86_400;

type AuthorityPlatform = Platform & { readonly authority: AuthoritySettings };

/** The platform's file, of a platform that trusts an authority. */
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

/** A whole number from 1 on, as an environment writes it. */
const positiveInteger: Reader<number> = (given, path, faults) =>
  /^[1-9]\d{0,6}$/.test(String(given))
    ? Number(given)
    : rejectValue(faults, { path, expected: 'a whole number from 1 to 9999999', value: given });

const SETTINGS = {
  platform: {
    name: ENV.platformFile,
    help: "the platform's settings, YAML",
    reader: readAuthorityPlatform,
    otherwise: PLATFORM_FILE,
  },
  namespace: { name: ENV.namespace, help: 'namespace the authority runs in', reader: dnsLabel },
  podName: {
    name: ENV.podName,
    help: 'name of this replica, and of its chain of records',
    reader: name,
  },
  caSecret: {
    name: ENV.caSecret,
    help: 'Secret that holds the CA of its serving certificates',
    reader: name,
    otherwise: 'valetkey-authority-ca',
  },
  keysSecret: {
    name: ENV.keysSecret,
    help: 'Secret that holds the keys of grants',
    reader: name,
    otherwise: 'valetkey-authority-keys',
  },
  auditSecret: {
    name: ENV.auditSecret,
    help: 'Secret that holds the key of checkpoints, and that of run ids',
    reader: name,
    otherwise: 'valetkey-authority-audit',
  },
  auditFolder: {
    name: ENV.auditFolder,
    help: 'folder of the file of records; none: standard output only',
    reader: string(),
    otherwise: '',
  },
  listen: {
    name: ENV.listen,
    help: 'HTTPS, for sidecars and clouds; no host means every address',
    reader: listenAddress,
    otherwise: `:${AUTHORITY_LISTEN}`,
  },
  telemetry: {
    name: ENV.telemetry,
    help: 'HTTP, for probes and metrics',
    reader: listenAddress,
    otherwise: `:${AUTHORITY_TELEMETRY_LISTEN}`,
  },
  logLevel: {
    name: ENV.logLevel,
    help: LOG_LEVELS.join(', '),
    reader: stringEnum(LOG_LEVELS),
    otherwise: 'info',
  },
  kubeconfig: {
    name: TUNING.kubeconfig,
    help: 'for the demo and development: a file that says where the API server is',
    reader: string(),
    otherwise: '',
  },
  authorityLifetimeSeconds: {
    name: TUNING.authorityLifetime,
    help: 'life of a CA; it waits, then signs, for a third of it each',
    reader: durationSeconds({ min: 3600, max: 3650 * DAY }),
    otherwise: '365d',
  },
  leafLifetimeSeconds: {
    name: TUNING.leafLifetime,
    help: "life of a replica's certificate, renewed at two thirds",
    reader: durationSeconds({ min: 600, max: 90 * DAY }),
    otherwise: '7d',
  },
  keyLifetimeSeconds: {
    name: TUNING.keyLifetime,
    help: 'a key of grants signs for so long',
    reader: durationSeconds({ min: 600, max: 365 * DAY }),
    otherwise: '30d',
  },
  podAddresses: {
    name: TUNING.podAddresses,
    help: "compare: a pod's token must come from its pod's own address; ignore: where the network hides it",
    reader: stringEnum(['compare', 'ignore']),
    otherwise: 'compare',
  },
  peerRate: {
    name: TUNING.peerRate,
    help: 'requests per second from one address; like the next three for each replica, sustained: a burst is thirty times as many',
    reader: positiveInteger,
    otherwise: '100',
  },
  podRate: {
    name: TUNING.podRate,
    help: 'requests per second of one pod',
    reader: positiveInteger,
    otherwise: '2',
  },
  serviceAccountRate: {
    name: TUNING.serviceAccountRate,
    help: 'requests per second of the pods of one service account',
    reader: positiveInteger,
    otherwise: '20',
  },
  namespaceRate: {
    name: TUNING.namespaceRate,
    help: 'requests per second of the pods of one namespace',
    reader: positiveInteger,
    otherwise: '50',
  },
  verifications: {
    name: TUNING.verifications,
    help: 'verifications of tokens under way at once',
    reader: positiveInteger,
    otherwise: '256',
  },
  connections: {
    name: TUNING.connections,
    help: 'connections at once, a stream for each sidecar among them',
    reader: positiveInteger,
    otherwise: '8192',
  },
  connectionsPerPeer: {
    name: TUNING.connectionsPerPeer,
    help: 'connections at once from one address: a pod holds a stream and a few more; where the network hides pods behind their node, so does each of them',
    reader: positiveInteger,
    otherwise: '256',
  },
} as const;

export type AuthorityConfig = ParsedSettings<typeof SETTINGS>;

export const HELP = `Valetkey's authority: verifies who asks, decides by policy, trades with the cloud
for a run's credentials, records, revokes. It is set by its environment:

${formatSettingsHelp(SETTINGS)}

A new value of the annotation valetkey.dev/rotate on the Secret of the CA rotates it at once; one of
valetkey.dev/taint on the Secret of the keys of grants replaces them at once.
`;

/** The settings, typed, or every fault at once, each naming its variable or its file. */
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

const checkCrossFieldRules = ({
  authorityLifetimeSeconds,
  leafLifetimeSeconds,
}: AuthorityConfig): readonly FieldError[] => {
  if (leafLifetimeSeconds * 3 <= authorityLifetimeSeconds) return [];
  const expected = `at most a third of ${TUNING.authorityLifetime} (${authorityLifetimeSeconds}s)`;
  return [{ path: TUNING.leafLifetime, expected, got: `${leafLifetimeSeconds}s` }];
};
