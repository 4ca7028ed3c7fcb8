import { join } from 'node:path';

import {
  buildFrameworkPython,
  buildModelPython,
  buildMoto,
  buildSignClient,
  signClientNames,
} from './clients/client-builds.ts';
import { buildGuidePrograms } from './clients/guide-programs.ts';
import { buildKinesis } from './clients/kinesis-client.ts';
import { installMcpPythons } from './clients/mcp-programs.ts';
import { buildRefusalClients } from './clients/refusal-clients.ts';
import { buildPostgresClients } from './clients/postgres-clients.ts';
import {
  chromiumPackages,
  debuggerPackages,
  etcdctlPackages,
  installDebianPackages,
  promtoolPackages,
} from './cluster/debian-packages.ts';
import { buildVaultClients } from './clients/vault-clients.ts';
import { runCommand } from './cluster/command.ts';
import { buildPrograms } from './cluster/programs.ts';
import type { Progress } from './cluster/progress.ts';
import { buildKeycloak } from './keycloak-build.ts';
import { installPostgres, POSTGRES_VERSIONS } from './postgres-programs.ts';

/** Compressing takes most of it. */
const RELEASE_TIMEOUT_MS = 1_800_000;

/** What single test files need besides the programs and clients of all tests. */
export const testBuilds = {
  chromium: (progress: Progress) => installDebianPackages(progress, chromiumPackages),
  debugger: (progress: Progress) => installDebianPackages(progress, debuggerPackages),
  etcdctl: (progress: Progress) => installDebianPackages(progress, etcdctlPackages),
  moto: buildMoto,
  kinesis: buildKinesis,
  mcp: installMcpPythons,
  'postgres clients': (progress: Progress) => {
    progress('building the clients of PostgreSQL, unless the cache has them');
    return buildPostgresClients();
  },
  'postgres versions': async (progress: Progress) => {
    for (const version of POSTGRES_VERSIONS) {
      progress(`installing PostgreSQL ${version}, unless the cache has it`);
      await installPostgres(version);
    }
  },
  'model clients': buildModelPython,
  frameworks: buildFrameworkPython,
  'guide programs': buildGuidePrograms,
  'sign clients': async (progress: Progress) => {
    for (const name of signClientNames) await buildSignClient(progress, name);
  },
  'refusal clients': buildRefusalClients,
  rust: (progress: Progress) => buildSignClient(progress, 'rust'),
  keycloak: buildKeycloak,
  promtool: (progress: Progress) => installDebianPackages(progress, promtoolPackages),
  prometheus: (progress: Progress) => buildPrograms(progress, ['prometheus']),
  collector: (progress: Progress) => buildPrograms(progress, ['collector']),
  release: async (progress: Progress) => {
    await buildPrograms(progress, ['registry', 'crane']);
    progress('building the release, always: its tests are those of this checkout');
    const program = join(import.meta.dirname, '../tools/release/main.ts');
    await runCommand(process.execPath, [program], { timeoutMs: RELEASE_TIMEOUT_MS });
  },
  vault: async (progress: Progress) => {
    await buildPrograms(progress, ['vault']);
    await buildVaultClients(progress);
  },
} satisfies Record<string, (progress: Progress) => Promise<unknown>>;
export type TestBuildName = keyof typeof testBuilds;

/**
 * Builds or installs what the cache does not have, before the tests start: they run in a network of their own,
 * from which no package can be downloaded.
 */
export const runTestBuilds = async (
  progress: Progress,
  names: readonly TestBuildName[],
): Promise<void> => {
  for (const name of names) await testBuilds[name](progress);
};
