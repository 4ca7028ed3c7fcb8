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
import {
  LOG_LEVEL_ENV,
  PLATFORM_FILE,
  WEBHOOK_ENV as ENV,
  WEBHOOK_TUNING_ENV as TUNING,
} from '../../lib/contract/environment.ts';
import {
  WEBHOOK_CERTIFICATES_FOLDER,
  WEBHOOK_LISTEN,
  WEBHOOK_TELEMETRY_LISTEN,
} from '../../lib/contract/paths.ts';
import { LOG_LEVELS } from '../../lib/edge/telemetry/pino-log.ts';
import {
  fail,
  formatValue,
  succeed,
  type FieldError,
  type Result,
} from '../../lib/schema/field-error.ts';
import { dnsLabel, stringEnum, string } from '../../lib/schema/reader.ts';

const name = string({ expected: 'a name', pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/ });
const DAY = 86_400;

const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

const SETTINGS = {
  ...TRACING_SETTINGS,
  platform: {
    name: ENV.platformFile,
    help: "file with the platform's settings, YAML",
    reader: createPlatformFileReader(readText),
    otherwise: PLATFORM_FILE,
  },
  namespace: { name: ENV.namespace, help: 'namespace that the webhook runs in', reader: dnsLabel },
  podName: {
    name: ENV.podName,
    help: 'name of this replica in its log',
    reader: name,
    otherwise: 'webhook',
  },
  service: {
    name: ENV.service,
    help: 'Service of the webhook; the certificate is for <service>.<namespace>.svc',
    reader: dnsLabel,
    otherwise: 'valetkey-webhook',
  },
  configuration: {
    name: ENV.configuration,
    help: 'name of both webhook configurations',
    reader: name,
    otherwise: 'valetkey',
  },
  certificates: {
    name: ENV.certificates,
    help: 'own: the webhook manages a CA in a Secret; files: another program does (cert-manager)',
    reader: stringEnum(['self-signed', 'files']),
    otherwise: 'self-signed',
  },
  caSecret: {
    name: ENV.caSecret,
    help: 'with own: Secret that holds the CA',
    reader: name,
    otherwise: 'valetkey-webhook-ca',
  },
  certificatesFolder: {
    name: ENV.certificatesFolder,
    help: 'with files: directory with tls.crt and tls.key',
    reader: string(),
    otherwise: WEBHOOK_CERTIFICATES_FOLDER,
  },
  listen: {
    name: ENV.listen,
    help: 'HTTPS address for the API server; without a host: every address',
    reader: listenAddress,
    otherwise: `:${WEBHOOK_LISTEN}`,
  },
  telemetry: {
    name: ENV.telemetry,
    help: 'HTTP address for probes and metrics',
    reader: listenAddress,
    otherwise: `:${WEBHOOK_TELEMETRY_LISTEN}`,
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
  cluster: {
    name: TUNING.cluster,
    help: 'kubernetes; none (demo and development): no API server, no templates of other replicas, no check that API servers trust the certificate',
    reader: stringEnum(['kubernetes', 'none']),
    otherwise: 'kubernetes',
  },
  kubeconfig: {
    name: TUNING.kubeconfig,
    help: 'kubeconfig file, for the demo and development',
    reader: string(),
    otherwise: '',
  },
  authorityLifetimeSeconds: {
    name: TUNING.authorityLifetime,
    help: 'with own: lifetime of a CA; it waits for a third of it, then signs for a third',
    reader: durationSeconds({ min: 3600, max: 3650 * DAY }),
    otherwise: '365d',
  },
  leafLifetimeSeconds: {
    name: TUNING.leafLifetime,
    help: "with own: lifetime of a replica's certificate, renewed after two thirds",
    reader: durationSeconds({ min: 600, max: 90 * DAY }),
    otherwise: '7d',
  },
} as const;

export type WebhookConfig = ParsedSettings<typeof SETTINGS>;

export const HELP = `Valetkey's webhook injects the sidecar into pods that declare tasks, and validates
pods by the rules. The API server calls it over HTTPS. Environment variables configure it:

${formatSettingsHelp(SETTINGS)}

To rotate the CA immediately, set the annotation valetkey.dev/rotate on the Secret to a new value.
`;

/** Reads the settings from the environment, or returns every fault with its variable or file. */
export const readWebhookConfig = (
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Result<WebhookConfig> => {
  const environmentErrors = checkEnvironment(environment);
  const settings = readSettings(SETTINGS, environment);
  const faults = [
    ...environmentErrors,
    ...(settings.ok ? checkCrossFieldRules(settings.value) : settings.faults),
  ];
  return settings.ok && faults.length === 0 ? succeed(settings.value) : fail(faults);
};

const checkCrossFieldRules = (config: WebhookConfig): readonly FieldError[] => {
  const { cluster, certificates, authorityLifetimeSeconds, leafLifetimeSeconds } = config;
  const { trust } = config.platform;
  const faults: FieldError[] = [];
  if (cluster === 'none' && trust === 'authority') {
    const expected = `kubernetes, because trust is authority: the cluster holds the trust bundle and the policies`;
    faults.push({ path: TUNING.cluster, expected, got: formatValue(cluster) });
  }
  if (cluster === 'none' && certificates === 'self-signed') {
    const expected = `files, because ${TUNING.cluster} is none: a self-managed CA needs a Secret`;
    faults.push({ path: ENV.certificates, expected, got: formatValue(certificates) });
  }
  if (leafLifetimeSeconds * 3 > authorityLifetimeSeconds) {
    const expected = `at most a third of ${TUNING.authorityLifetime} (${authorityLifetimeSeconds}s)`;
    faults.push({ path: TUNING.leafLifetime, expected, got: `${leafLifetimeSeconds}s` });
  }
  return faults;
};
