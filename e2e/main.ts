import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { awscliCommand } from './awscli-root.ts';
import { buildClients, missingClientTools } from './clients/build.ts';
import type { Cloud } from './clouds/cloud.ts';
import { readCloud } from './clouds/record.ts';
import { startClouds } from './clouds/start.ts';
import { downCluster, readCluster, upCluster } from './cluster/cluster.ts';
import type { Cluster } from './cluster/cluster.ts';
import { kubectl } from './cluster/kubectl.ts';
import { enter } from './cluster/namespace.ts';
import { untilInterrupted } from './cluster/interrupt.ts';
import { checkPrerequisites } from './cluster/prerequisites.ts';
import { startProgress } from './cluster/progress.ts';
import { installRelease, releaseIn, valuesFor } from './release.ts';
import { failedIn, passedIn, readStories, slowest } from './results.ts';
import type { Story } from './results.ts';
import { loadAgent, loadAwscli, loadValetkey } from './story-images.ts';
import type { Stage } from './stories/stage.ts';

const help = `Stories on a real Kubernetes, against two real clouds: Ceph RGW and MinIO.

  node e2e/main.ts [options]

  --full            also the long stories: 10-minute lifetimes, the oldest clients
  --only PATTERN    only story files whose path matches
  --cloud NAME      only one pass: minio or rgw
  --cluster FOLDER  use the cluster that \`node e2e/cluster/main.ts up --folder FOLDER\` started
  --keep            leave the cluster running
`;

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    cloud: { type: 'string' },
    cluster: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const progress = startProgress();

const prepare = async (cluster: Cluster): Promise<Omit<Stage, 'cloud'>> => {
  const clouds = await runningClouds(cluster);
  const valetkey = await loadValetkey(cluster);
  const agent = await loadAgent(cluster);
  const clients = await buildClients(progress);
  const python = clients.awscli.command;
  const awscli = await loadAwscli(cluster, python);
  progress('images loaded');
  return {
    cluster,
    clouds,
    release: releaseIn(cluster.folder),
    images: { valetkey: `${valetkey.repository}:${valetkey.tag}`, agent, awscli },
    awscliCommand: await awscliCommand(python),
    clients,
    isFull: values.full,
  };
};

/** A cluster that was up before may have its clouds already. */
const runningClouds = async (cluster: Cluster): Promise<Cloud[]> => {
  const names = ['minio', 'rgw'] as const;
  return names.every((name) => existsSync(join(cluster.folder, `${name}.json`)))
    ? names.map((name) => readCloud(cluster.folder, name))
    : Object.values(await startClouds(cluster, progress));
};

/** One pass: the platform's settings name one cloud, and every story runs against it. */
const runPass = async (stage: Stage): Promise<Story[]> => {
  const { cluster, cloud, release, images } = stage;
  const [repository = '', tag = ''] = images.valetkey.split(/:(?=[^:/]+$)/);
  await installRelease(
    cluster,
    cluster.programs.helm,
    release,
    valuesFor(cloud, { repository, tag }),
  );
  progress(`installed for ${cloud.name}`);
  const stageFile = join(cluster.folder, `stage-${cloud.name}.json`);
  const output = join(cluster.folder, `stories-${cloud.name}.json`);
  writeFileSync(stageFile, JSON.stringify(stage));
  await runJest(cluster, stageFile, output);
  keepResults(output, `e2e-${cloud.name}.json`);
  const stories = 'e2e.valetkey.dev/story=true';
  await kubectl(cluster, ['delete', 'namespace', '-l', stories, '--wait=false']);
  return readStories(cloud.name, output);
};

const runJest = async (cluster: Cluster, stageFile: string, output: string): Promise<void> => {
  const jest = join(import.meta.dirname, '..', 'node_modules', 'jest', 'bin', 'jest.js');
  const args = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest];
  args.push(
    '--config',
    join(import.meta.dirname, 'jest.config.mjs'),
    '--json',
    '--outputFile',
    output,
  );
  if (values.only !== undefined) args.push('--testPathPatterns', values.only);
  const [command, all] = enter(cluster.namespace, process.execPath, args);
  const child = spawn(command, all, {
    stdio: 'inherit',
    env: { ...process.env, VALETKEY_E2E_STAGE: stageFile },
  });
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  child.on('error', reject);
  child.on('close', () => resolve(undefined));
  await promise;
};

const keepResults = (output: string, name: string): void => {
  const folder = process.env['VALETKEY_RESULTS'];
  if (folder !== undefined && existsSync(output)) copyFileSync(output, join(folder, name));
};

const tellStories = async (): Promise<Story[]> => {
  const cluster =
    values.cluster === undefined ? await upCluster({ progress }) : readCluster(values.cluster);
  try {
    return await untilInterrupted(runPasses(cluster));
  } finally {
    if (!values.keep && values.cluster === undefined) await downCluster(cluster);
  }
};

const runPasses = async (cluster: Cluster): Promise<Story[]> => {
  const prepared = await prepare(cluster);
  const chosen = prepared.clouds.filter(({ name }) => (values.cloud ?? name) === name);
  const stories: Story[] = [];
  for (const cloud of chosen) stories.push(...(await runPass({ ...prepared, cloud })));
  return stories;
};

const report = (stories: Story[]): void => {
  console.log(`\nThe slowest:\n${slowest(stories).join('\n')}`);
  for (const { pass, name } of failedIn(stories)) console.log(`FAILED ${pass}: ${name}`);
  console.log(`${passedIn(stories).length} passed, ${failedIn(stories).length} failed`);
  process.exitCode = failedIn(stories).length === 0 && stories.length > 0 ? 0 : 1;
};

const missing = values.help ? [] : [...checkPrerequisites(), ...(await missingClientTools())];
if (values.help) console.log(help);
else if (missing.length > 0) {
  console.error(`make e2e cannot run here:\n- ${missing.join('\n- ')}`);
  process.exitCode = 2;
} else report(await tellStories());
