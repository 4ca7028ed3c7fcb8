import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import * as authority from '../../lib/contract/authority-api.ts';
import {
  AUTHORITY_ENV,
  AUTHORITY_TUNING_ENV,
  LOG_LEVEL_FILES,
  PLATFORM_FILE,
  TRACING_ENV,
  WEBHOOK_ENV,
} from '../../lib/contract/environment.ts';
import * as names from '../../lib/contract/names.ts';
import { NEW_INSTALLATION } from '../../lib/contract/platform.ts';
import * as paths from '../../lib/contract/paths.ts';
import {
  AUTHORITY_COMMAND,
  AUTHORITY_RUNTIME_ENV,
  WEBHOOK_COMMAND,
  WEBHOOK_RUNTIME_ENV,
} from '../../lib/contract/runtime.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';

export const CONTRACT_FILE = join(import.meta.dirname, '../../charts/valetkey', 'contract.json');

/** The constants that the chart shares with the programs, as its templates read them. */
export const buildContractValues = () => ({
  domain: names.DOMAIN,
  newInstallation: NEW_INSTALLATION,
  tracingEnvironment: TRACING_ENV,
  injectionTemplatesConfigMap: names.INJECTION_TEMPLATES_CONFIG_MAP,
  sidecar: {
    injectedLabel: names.INJECTED_LABEL,
    telemetryPortName: names.TELEMETRY_PORT,
  },
  webhook: {
    uid: names.WEBHOOK_UID,
    gid: names.WEBHOOK_GID,
    telemetryPort: paths.WEBHOOK_TELEMETRY_LISTEN,
    command: WEBHOOK_COMMAND,
    runtimeEnvironment: WEBHOOK_RUNTIME_ENV,
    environment: WEBHOOK_ENV,
    logLevelFile: LOG_LEVEL_FILES.webhook,
    platformFile: PLATFORM_FILE,
    certificatesFolder: paths.WEBHOOK_CERTIFICATES_FOLDER,
    mutatePath: paths.MUTATE_PATH,
    validatePath: paths.VALIDATE_PATH,
    validatePolicyPath: paths.VALIDATE_POLICY_PATH,
    warnWorkloadPath: paths.WARN_WORKLOAD_PATH,
  },
  authority: {
    uid: authority.AUTHORITY_UID,
    gid: authority.AUTHORITY_GID,
    port: authority.AUTHORITY_LISTEN,
    telemetryPort: authority.AUTHORITY_TELEMETRY_LISTEN,
    command: AUTHORITY_COMMAND,
    runtimeEnvironment: AUTHORITY_RUNTIME_ENV,
    environment: AUTHORITY_ENV,
    logLevelFile: LOG_LEVEL_FILES.authority,
    tuning: AUTHORITY_TUNING_ENV,
    audience: authority.AUTHORITY_AUDIENCE,
    privateHost: authority.PRIVATE_HOST,
    auditFolder: paths.AUDIT_FOLDER,
    trustBundleConfigMap: authority.TRUST_BUNDLE_CONFIG_MAP,
    auditHeadsConfigMap: authority.AUDIT_HEADS_CONFIG_MAP,
    discoveryPaths: [authority.OPENID_METADATA_PATH, authority.JWKS_PATH],
    starterPolicy: STARTER_POLICY,
  },
});

export const renderContract = (): string =>
  `${JSON.stringify(buildContractValues(), undefined, 2)}\n`;

const USAGE = `node tools/chart/contract.ts [--check]

Writes charts/valetkey/contract.json from lib/contract. --check only compares.
`;

const main = (args: readonly string[]): number => {
  if (args.some((arg) => arg !== '--check')) {
    process.stderr.write(USAGE);
    return 2;
  }
  if (args.length === 0) writeFileSync(CONTRACT_FILE, renderContract());
  if (readFileSync(CONTRACT_FILE, 'utf8') === renderContract()) return 0;
  process.stderr.write(
    'charts/valetkey/contract.json: expected the constants of lib/contract, got others; run `node tools/chart/contract.ts`\n',
  );
  return 1;
};

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
