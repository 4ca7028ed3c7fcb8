import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { getCacheFolder } from '../cluster/host-environment.ts';
import { runCommand, succeeds } from '../cluster/command.ts';
import type { Progress } from '../cluster/progress.ts';
import type { ClientCommand } from './client-process.ts';
import { sdkVersions } from './sdk-versions.ts';
import type { SdkVersion } from './sdk-versions.ts';

export const clientNames = ['javascript', 'boto3', 'awscli', 'go', 'java'] as const;
export type ClientName = (typeof clientNames)[number];

const MINUTE_MS = 60_000;
const sources = import.meta.dirname;

/**
 * Builds or installs what the cache lacks of every client (cold: a minute or two; Python, Go and
 * Maven are needed) and says how to start each.
 */
export async function buildClients(
  progress: Progress,
  edition: SdkVersion = 'newest',
): Promise<Record<ClientName, ClientCommand>> {
  const python = await buildPython(progress, edition);
  return {
    javascript: await buildJavaScript(progress, edition),
    boto3: { command: python, args: [join(sources, 'python/boto3_client.py')] },
    awscli: { command: python, args: [join(sources, 'python/awscli_client.py')] },
    go: await buildGo(progress, edition),
    java: await buildJava(progress, edition),
  };
}

/** What this machine lacks to build the clients, in words; empty when nothing. */
export async function findMissingClientTools(): Promise<string[]> {
  const probes = [
    { tool: 'python3 with venv', command: 'python3', args: ['-c', 'import venv, ensurepip'] },
    { tool: 'go', command: 'go', args: ['version'] },
    { tool: 'java 17 or newer', command: 'javac', args: ['--release', '17', '--version'] },
    { tool: 'mvn', command: 'mvn', args: ['-v'] },
  ];
  const found = await Promise.all(probes.map(({ command, args }) => succeeds(command, args)));
  return probes
    .filter((_, index) => found[index] !== true)
    .map(({ tool }) => `${tool}: expected on PATH, for the client stories`);
}

async function buildPython(progress: Progress, edition: SdkVersion): Promise<string> {
  const requirements = join(sources, 'python', sdkVersions[edition].requirements);
  // A virtual environment knows its own path: it is made in place.
  const folder = await buildInCache('python', buildCacheKey([requirements]), async (made) => {
    progress(`installing boto3 and awscli, ${edition} (once)`);
    await runCommand('python3', ['-m', 'venv', made]);
    const install = ['-m', 'pip', 'install', '--quiet', '-r', requirements];
    await runCommand(join(made, 'bin/python'), install, { timeoutMs: 10 * MINUTE_MS });
  });
  return join(folder, 'bin/python');
}

async function buildGo(progress: Progress, edition: SdkVersion): Promise<ClientCommand> {
  const source = join(sources, 'go');
  const { goModule } = sdkVersions[edition];
  const files = ['main.go', goModule, goModule.replace('.mod', '.sum')];
  const key = buildCacheKey(files.map((file) => join(source, file)));
  const folder = await buildInCache('go', key, async (made) => {
    progress(`building the Go client, ${edition} (once)`);
    const args = ['build', '-trimpath', `-modfile=${goModule}`, '-o', join(made, 'client'), '.'];
    const env = { CGO_ENABLED: '0', GOFLAGS: '' };
    await runCommand('go', args, { cwd: source, env, timeoutMs: 10 * MINUTE_MS });
  });
  return { command: join(folder, 'client'), args: [] };
}

async function buildJava(progress: Progress, edition: SdkVersion): Promise<ClientCommand> {
  const source = join(sources, 'java');
  const files = ['pom.xml', 'src/main/java/Client.java'].map((file) => join(source, file));
  const { javaSdk } = sdkVersions[edition];
  const folder = await buildInCache('java', buildCacheKey(files, javaSdk), async (made) => {
    progress(`building the Java client, ${edition} (once)`);
    const version = javaSdk === undefined ? [] : [`-Daws.version=${javaSdk}`];
    const args = ['--batch-mode', '--quiet', `-Dout=${made}`, ...version, 'package'];
    await runCommand('mvn', args, { cwd: source, timeoutMs: 10 * MINUTE_MS });
  });
  const classPath = `${join(folder, 'client.jar')}:${join(folder, 'lib')}/*`;
  // A small machine: one thread less for the compiler, and no more memory than it needs.
  return {
    command: 'java',
    args: ['-XX:TieredStopAtLevel=1', '-Xmx128m', '-cp', classPath, 'Client'],
  };
}

async function buildJavaScript(progress: Progress, edition: SdkVersion): Promise<ClientCommand> {
  const args = [join(sources, 'javascript/client.ts')];
  const { javascriptSdk } = sdkVersions[edition];
  if (javascriptSdk === undefined) return { command: process.execPath, args };
  const wanted = `@aws-sdk/client-s3@${javascriptSdk}`;
  const folder = await buildInCache('javascript', buildCacheKey([], wanted), async (made) => {
    progress(`installing ${wanted} (once)`);
    const install = ['install', '--prefix', made, '--no-save', '--ignore-scripts', wanted];
    await runCommand('npm', install, { timeoutMs: 10 * MINUTE_MS });
  });
  const entry = join(folder, 'node_modules/@aws-sdk/client-s3/dist-cjs/index.js');
  return { command: process.execPath, args: [...args, entry] };
}

function buildCacheKey(files: readonly string[], extra = ''): string {
  const hash = createHash('sha256').update(process.arch).update(extra);
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** A folder of the cache that `make` fills once; a mark in it tells a finished one from a torn one. */
async function buildInCache(
  name: string,
  key: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(getCacheFolder(), 'clients', `${name}-${key}`);
  const mark = `${folder}.complete`;
  if (existsSync(mark)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await make(folder);
  mkdirSync(`${mark}.new`, { recursive: true });
  renameSync(`${mark}.new`, mark);
  return folder;
}
