import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { PLATFORM_FILE, WEBHOOK_ENV } from '../lib/contract/environment.ts';
import * as names from '../lib/contract/names.ts';
import * as paths from '../lib/contract/paths.ts';
import { WEBHOOK_COMMAND, WEBHOOK_RUNTIME_ENV } from '../lib/contract/runtime.ts';
import { mutateConditions, validateConditions } from '../lib/injection/match-conditions.ts';

export const CONTRACT_FILE = join(import.meta.dirname, 'valetkey', 'contract.json');

/** The words that the chart shares with the programs, as its templates read them. */
export const contractWords = () => ({
  domain: names.DOMAIN,
  profilesConfigMap: names.PROFILES_CONFIG_MAP,
  sidecar: {
    injectedLabel: names.INJECTED_LABEL,
    telemetryPortName: names.TELEMETRY_PORT,
  },
  webhook: {
    uid: names.WEBHOOK_UID,
    gid: names.WEBHOOK_GID,
    port: paths.WEBHOOK_LISTEN,
    telemetryPort: paths.WEBHOOK_TELEMETRY_LISTEN,
    command: WEBHOOK_COMMAND,
    runtimeEnvironment: WEBHOOK_RUNTIME_ENV,
    environment: WEBHOOK_ENV,
    platformFile: PLATFORM_FILE,
    certificatesFolder: paths.WEBHOOK_CERTIFICATES_FOLDER,
    mutatePath: paths.MUTATE_PATH,
    validatePath: paths.VALIDATE_PATH,
  },
  matchConditions: { mutate: mutateConditions, validate: validateConditions },
});

export const contractText = (): string => `${JSON.stringify(contractWords(), undefined, 2)}\n`;

const USAGE = `node charts/contract.ts [--check]

Writes charts/valetkey/contract.json from lib/contract; --check only compares.
`;

const main = (args: readonly string[]): number => {
  if (args.some((arg) => arg !== '--check')) {
    process.stderr.write(USAGE);
    return 2;
  }
  if (args.length === 0) writeFileSync(CONTRACT_FILE, contractText());
  if (readFileSync(CONTRACT_FILE, 'utf8') === contractText()) return 0;
  process.stderr.write(
    'charts/valetkey/contract.json: expected the words of lib/contract, got others; run `node charts/contract.ts`\n',
  );
  return 1;
};

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
