import { join } from 'node:path';
import { buildCacheKey, buildInCache } from './clients/client-builds.ts';
import { runCommand } from './cluster/command.ts';
import type { Progress } from './cluster/progress.ts';

const VERSION = '26.7.3';
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1';
const TIMEOUT_MS = 15 * 60_000;

/** Downloads and unpacks Keycloak's distribution, if the cache does not have it. Returns its folder. */
export const buildKeycloak = async (progress: Progress): Promise<string> => {
  const folder = await buildInCache('keycloak', buildCacheKey([], VERSION), async (made) => {
    progress(`downloading Keycloak ${VERSION} (once; 180 MB)`);
    const artifact = `org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`;
    const options = { timeoutMs: TIMEOUT_MS };
    const maven = ['--batch-mode', '--quiet'];
    const fetched = [`-Dartifact=${artifact}`, '-Dtransitive=false'];
    await runCommand('mvn', [...maven, `${PLUGIN}:get`, ...fetched], options);
    const unpacked = [`-Dartifact=${artifact}`, `-DoutputDirectory=${made}`];
    await runCommand('mvn', [...maven, `${PLUGIN}:unpack`, ...unpacked], options);
    // Unpacked by Maven, programs are not executable.
    await runCommand('chmod', ['+x', join(made, `keycloak-${VERSION}`, 'bin', 'kc.sh')]);
  });
  return join(folder, `keycloak-${VERSION}`);
};
