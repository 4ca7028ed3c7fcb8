import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { getCacheFolder } from '../cluster/host-environment.ts';
import { runCommand, succeeds } from '../cluster/command.ts';
import { buildPrograms } from '../cluster/programs.ts';
import type { Progress } from '../cluster/progress.ts';
import { CONSUMER_ENVIRONMENT } from './client-process.ts';
import type { ClientCommand } from './client-process.ts';
import { sdkVersions } from './sdk-versions.ts';
import type { SdkVersion } from './sdk-versions.ts';

export const clientNames = [
  'javascript',
  'boto3',
  'awscli',
  'go',
  'java',
  'object_store',
  'opendal',
  'pyarrow',
] as const;
export type ClientName = (typeof clientNames)[number];

/** Clients that are tried with delivery `sign` only: most of them need an explicit endpoint. */
export const signClientNames = ['s3fs', 'duckdb', 'rclone', 'go-v1'] as const;
export type SignClientName = (typeof signClientNames)[number] | 'rust';

const MINUTE_MS = 60_000;
const sources = import.meta.dirname;

/**
 * Builds or installs every client that the cache does not have (cold: one or two minutes; needs Python, Go
 * and Maven), and returns the command that starts each.
 */
export async function buildClients(
  progress: Progress,
  version: SdkVersion = 'newest',
): Promise<Record<ClientName, ClientCommand>> {
  const python = await buildPython(progress, version);
  return {
    javascript: await buildJavaScript(progress, version),
    ...buildPythonCommands(python),
    go: await buildGo(progress, version),
    java: await buildJava(progress, version),
  };
}

/** Builds or installs a client of {@link SignClientName} (cold: up to a minute; Rust several). */
export async function buildSignClient(
  progress: Progress,
  name: SignClientName,
): Promise<ClientCommand> {
  switch (name) {
    case 's3fs':
    case 'duckdb':
      return createPythonCommand(await buildDataPython(progress), name);
    case 'rclone': {
      const { rclone } = await buildPrograms(progress, ['rclone']);
      return createPythonCommand('python3', name, [rclone]);
    }
    case 'go-v1':
      return buildGoModule(progress, { name, modfile: 'go.mod' });
    case 'rust':
      return buildRust(progress);
  }
}

/** Builds all of {@link signClientNames}. */
export const buildSignClients = async (
  progress: Progress,
): Promise<Record<(typeof signClientNames)[number], ClientCommand>> => ({
  s3fs: await buildSignClient(progress, 's3fs'),
  duckdb: await buildSignClient(progress, 'duckdb'),
  rclone: await buildSignClient(progress, 'rclone'),
  'go-v1': await buildSignClient(progress, 'go-v1'),
});

const createPythonCommand = (
  python: string,
  name: string,
  args: readonly string[] = [],
): ClientCommand => ({
  command: python,
  args: [join(sources, `python/${name}_client.py`), ...args],
});

function buildPythonCommands(python: string) {
  const start = (name: string): ClientCommand => createPythonCommand(python, name);
  return {
    boto3: start('boto3'),
    awscli: start('awscli'),
    object_store: start('object_store'),
    opendal: start('opendal'),
    pyarrow: start('pyarrow'),
  };
}

/** Lists the tools that are missing to build the clients. */
export async function findMissingClientTools(): Promise<string[]> {
  const probes = [
    { tool: 'python3 with venv', command: 'python3', args: ['-c', 'import venv, ensurepip'] },
    { tool: 'git', command: 'git', args: ['--version'] },
    { tool: 'go', command: 'go', args: ['version'] },
    { tool: 'java 17 or newer', command: 'javac', args: ['--release', '17', '--version'] },
    { tool: 'mvn', command: 'mvn', args: ['-v'] },
  ];
  const found = await Promise.all(probes.map(({ command, args }) => succeeds(command, args)));
  return probes
    .filter((_, index) => found[index] !== true)
    .map(({ tool }) => `${tool}: expected on PATH, to build the clients`);
}

/** Installs the Python clients that the cache does not have. Returns their interpreter. */
export async function buildPython(
  progress: Progress,
  version: SdkVersion = 'newest',
): Promise<string> {
  const requirements = join(sources, 'python', sdkVersions[version].requirements);
  const folder = await installPython('python', requirements, () =>
    progress(`installing the Python clients, ${version} (once)`),
  );
  return join(folder, 'bin/python');
}

/** A virtual environment contains its own path, so it is created in place. */
export const installPython = (
  name: string,
  requirements: string,
  progress: () => void,
): Promise<string> =>
  buildInCache(name, buildCacheKey([requirements]), async (made) => {
    progress();
    await runCommand('python3', ['-m', 'venv', made]);
    const install = ['-m', 'pip', 'install', '--quiet', '-r', requirements];
    await runCommand(join(made, 'bin/python'), install, { timeoutMs: 10 * MINUTE_MS });
  });

/** Returns a request for every operation that botocore knows: one JSON line each. */
export async function printBotocoreRequests(python: string): Promise<string> {
  const { stdout } = await runCommand(python, [join(sources, 'python/botocore_requests.py')], {
    timeoutMs: 5 * MINUTE_MS,
  });
  return stdout;
}

/** Returns what clients of botocore raise at an endpoint that refuses: one JSON line each. */
export async function printBotocoreRefusals(
  python: string,
  args: readonly string[],
): Promise<string> {
  const script = join(sources, 'python/botocore_refusals.py');
  const { stdout } = await runCommand(python, [script, ...args], { timeoutMs: 5 * MINUTE_MS });
  return stdout;
}

/** Makes calls with clients of botocore. Returns what each returned or raised: one JSON line each. */
export async function runBotocoreCalls(python: string, plan: object): Promise<string> {
  const { stdout } = await runCommand(python, [join(sources, 'python/botocore_calls.py')], {
    input: JSON.stringify(plan),
    timeoutMs: 5 * MINUTE_MS,
  });
  return stdout;
}

/** Installs moto, in an environment of its own, if the cache does not have it. Returns its server. */
export async function buildMoto(progress: Progress): Promise<string> {
  const requirements = join(sources, 'python/requirements.moto.txt');
  const folder = await installPython('moto', requirements, () =>
    progress('installing moto (once)'),
  );
  return join(folder, 'bin/moto_server');
}

/** s3fs needs other versions of botocore than boto3. */
const buildDataPython = async (progress: Progress): Promise<string> => {
  const requirements = join(sources, 'python/requirements.data.txt');
  const folder = await installPython('data', requirements, () =>
    progress('installing s3fs and DuckDB (once)'),
  );
  return join(folder, 'bin/python');
};

/** Installs the SDKs of model APIs that the cache does not have. Returns their interpreter. */
export const buildModelPython = async (progress: Progress): Promise<string> => {
  const requirements = join(sources, 'python/requirements.models.txt');
  const folder = await installPython('models', requirements, () =>
    progress('installing the SDKs of model APIs (once)'),
  );
  return join(folder, 'bin/python');
};

/** Installs the frameworks of docs/guides that the cache does not have. Returns their interpreter. */
export const buildFrameworkPython = async (progress: Progress): Promise<string> => {
  const requirements = join(sources, 'python/requirements.frameworks.txt');
  const folder = await installPython('frameworks', requirements, () =>
    progress('installing LangChain, the OpenAI Agents SDK and the SDK of MCP (once)'),
  );
  return join(folder, 'bin/python');
};

/**
 * Calls the tool of a page of docs/guides with the framework of the page, in a consumer's environment.
 *
 * @returns what a model would read
 */
export const callGuideTool = async (
  python: string,
  { framework, report, env }: { framework: string; report: string; env: Record<string, string> },
): Promise<string> => {
  const page = join(sources, `../../docs/guides/${framework}.md`);
  const script = join(sources, 'python/guide_tool.py');
  const { stdout } = await runCommand(python, [script, framework, page, report], {
    env: { ...CONSUMER_ENVIRONMENT, PATH: process.env['PATH'] ?? '', ...env },
    timeoutMs: 2 * MINUTE_MS,
  });
  const { text } = JSON.parse(stdout) as { readonly text: string };
  return text;
};

async function buildRust(progress: Progress): Promise<ClientCommand> {
  const source = join(sources, 'rust');
  const files = ['Cargo.toml', 'Cargo.lock', 'src/main.rs'].map((file) => join(source, file));
  const folder = await buildInCache('rust', buildCacheKey(files), async (made) => {
    progress('building the Rust client (once; takes minutes)');
    const args = ['build', '--locked', '--release', '--target-dir', made];
    await runCommand('cargo', args, { cwd: source, timeoutMs: 40 * MINUTE_MS });
  });
  return { command: join(folder, 'release/rust-client'), args: [] };
}

const buildGo = (progress: Progress, version: SdkVersion): Promise<ClientCommand> =>
  buildGoModule(progress, { name: 'go', modfile: sdkVersions[version].goModule });

/** Builds a Go program of this folder, unless the cache has it. */
export async function buildGoModule(
  progress: Progress,
  { name, modfile }: { name: string; modfile: string },
): Promise<ClientCommand> {
  const source = join(sources, name);
  const files = ['main.go', modfile, modfile.replace('.mod', '.sum')];
  const key = buildCacheKey(files.map((file) => join(source, file)));
  const folder = await buildInCache(name, key, async (made) => {
    progress(`building the client ${name} with ${modfile} (once)`);
    const args = ['build', '-trimpath', `-modfile=${modfile}`, '-o', join(made, 'client'), '.'];
    const env = { CGO_ENABLED: '0', GOFLAGS: '' };
    await runCommand('go', args, { cwd: source, env, timeoutMs: 10 * MINUTE_MS });
  });
  return { command: join(folder, 'client'), args: [] };
}

async function buildJava(progress: Progress, version: SdkVersion): Promise<ClientCommand> {
  const source = join(sources, 'java');
  const files = ['pom.xml', 'src/main/java/Client.java'].map((file) => join(source, file));
  const { javaSdk } = sdkVersions[version];
  const folder = await buildInCache('java', buildCacheKey(files, javaSdk), async (made) => {
    progress(`building the Java client, ${version} (once)`);
    const define = javaSdk === undefined ? [] : [`-Daws.version=${javaSdk}`];
    const args = ['--batch-mode', '--quiet', `-Dout=${made}`, ...define, 'package'];
    await runCommand('mvn', args, { cwd: source, timeoutMs: 10 * MINUTE_MS });
  });
  const classPath = `${join(folder, 'client.jar')}:${join(folder, 'lib')}/*`;
  // Limits threads and memory of the compiler, for small machines.
  return {
    command: 'java',
    args: ['-XX:TieredStopAtLevel=1', '-Xmx128m', '-cp', classPath, 'Client'],
  };
}

async function buildJavaScript(progress: Progress, version: SdkVersion): Promise<ClientCommand> {
  const args = [join(sources, 'javascript/client.ts')];
  const { javascriptSdk } = sdkVersions[version];
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

/** Key of a folder of the cache: of what it is made from. */
export function buildCacheKey(files: readonly string[], extra = ''): string {
  const hash = createHash('sha256').update(process.arch).update(extra);
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Returns a folder of the cache that `make` fills once; a marker file shows that it is complete. */
export async function buildInCache(
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
