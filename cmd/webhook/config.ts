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
import {
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
  platform: {
    name: ENV.platformFile,
    help: "the platform's settings, YAML",
    reader: createPlatformFileReader(readText),
    otherwise: PLATFORM_FILE,
  },
  namespace: { name: ENV.namespace, help: 'namespace the webhook runs in', reader: dnsLabel },
  podName: {
    name: ENV.podName,
    help: 'name of this replica, for its log',
    reader: name,
    otherwise: 'webhook',
  },
  service: {
    name: ENV.service,
    help: 'Service in front of it; the certificate is for <service>.<namespace>.svc',
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
    help: 'own: a CA of its own in a Secret; files: somebody else keeps them (cert-manager)',
    reader: stringEnum(['own', 'files']),
    otherwise: 'own',
  },
  caSecret: {
    name: ENV.caSecret,
    help: 'under own: Secret that holds the CA',
    reader: name,
    otherwise: 'valetkey-webhook-ca',
  },
  certificatesFolder: {
    name: ENV.certificatesFolder,
    help: 'under files: folder with tls.crt and tls.key',
    reader: string(),
    otherwise: WEBHOOK_CERTIFICATES_FOLDER,
  },
  listen: {
    name: ENV.listen,
    help: 'HTTPS, for the API server; no host means every address',
    reader: listenAddress,
    otherwise: `:${WEBHOOK_LISTEN}`,
  },
  telemetry: {
    name: ENV.telemetry,
    help: 'HTTP, for probes and metrics',
    reader: listenAddress,
    otherwise: `:${WEBHOOK_TELEMETRY_LISTEN}`,
  },
  logLevel: {
    name: ENV.logLevel,
    help: LOG_LEVELS.join(', '),
    reader: stringEnum(LOG_LEVELS),
    otherwise: 'info',
  },
  cluster: {
    name: TUNING.cluster,
    help: 'kubernetes; none is for the demo and development: no API server, no profiles but its own, no check that API servers trust the certificate',
    reader: stringEnum(['kubernetes', 'none']),
    otherwise: 'kubernetes',
  },
  kubeconfig: {
    name: TUNING.kubeconfig,
    help: 'for the demo and development: a file that says where the API server is',
    reader: string(),
    otherwise: '',
  },
  authorityLifetimeSeconds: {
    name: TUNING.authorityLifetime,
    help: 'under own: life of a CA; it waits, then signs, for a third of it each',
    reader: durationSeconds({ min: 3600, max: 3650 * DAY }),
    otherwise: '365d',
  },
  leafLifetimeSeconds: {
    name: TUNING.leafLifetime,
    help: "under own: life of a replica's certificate, renewed at two thirds",
    reader: durationSeconds({ min: 600, max: 90 * DAY }),
    otherwise: '7d',
  },
} as const;

export type WebhookConfig = ParsedSettings<typeof SETTINGS>;

export const HELP = `Valetkey's webhook: injects the sidecar into pods that declare tasks, and holds
pods to the rules. Both for the API server, over HTTPS. It is set by its environment:

${formatSettingsHelp(SETTINGS)}

A new value of the annotation valetkey.dev/rotate on the Secret rotates the CA at once.
`;

/** The settings, typed, or every fault at once, each naming its variable or its file. */
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
    const expected = `kubernetes, since trust is authority: its roots and the policies stand there`;
    faults.push({ path: TUNING.cluster, expected, got: formatValue(cluster) });
  }
  if (cluster === 'none' && certificates === 'own') {
    const expected = `files, since ${TUNING.cluster} is none: a CA of its own lives in a Secret`;
    faults.push({ path: ENV.certificates, expected, got: formatValue(certificates) });
  }
  if (leafLifetimeSeconds * 3 > authorityLifetimeSeconds) {
    const expected = `at most a third of ${TUNING.authorityLifetime} (${authorityLifetimeSeconds}s)`;
    faults.push({ path: TUNING.leafLifetime, expected, got: `${leafLifetimeSeconds}s` });
  }
  return faults;
};
