import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from './clouds/cloud.ts';
import { kubectl } from './cluster/kubectl.ts';
import { enter } from './cluster/namespace.ts';
import type { Progress } from './cluster/progress.ts';
import type { Ground } from './ground.ts';
import { grantAudience, grantIssuer, trustAuthority, trustCluster } from './clouds/trust.ts';
import { installRelease, releaseIn, valuesFor } from './release.ts';
import type { Trust } from './release.ts';
import { readStories } from './results.ts';
import type { Story } from './results.ts';
import type { Stage } from './stories/stage.ts';

export type PassPlan = {
  ground: Ground;
  isFull: boolean;
  /** Only story files whose path matches. */
  only: string | undefined;
  progress: Progress;
};

const root = join(import.meta.dirname, '..');

/** What a pass is called: `minio`, or `minio-cluster` where the cloud trusts the cluster itself. */
export const passName = ({ cloud, trust }: PassSettings): string =>
  trust === 'authority' ? cloud.name : `${cloud.name}-cluster`;

export type PassSettings = { cloud: Cloud; trust: Trust['kind'] };

/** One pass: the platform's settings name one cloud and one kind of trust, and every story runs against it. */
export const runPass = async (plan: PassPlan, settings: PassSettings): Promise<Story[]> => {
  const { ground, isFull, progress } = plan;
  const pass = passName(settings);
  const release = releaseIn(ground.folder);
  const { cloud, trust } = await prepareTrust(ground, settings);
  const before: Stage = { ...ground, pass, cloud, trust, release, isFull };
  await installRelease(before, release, valuesFor(before));
  const stage = { ...before, cloud: await concludeTrust(before) };
  progress(`installed for ${pass}`);
  const stageFile = join(ground.folder, `stage-${pass}.json`);
  writeFileSync(stageFile, JSON.stringify(stage));
  const told: Story[] = [];
  for (const round of roundsOf(stage))
    told.push(...(await runRound(plan, stage, round, stageFile)));
  const stories = 'e2e.valetkey.dev/story=true';
  await kubectl(ground.cluster, ['delete', 'namespace', '-l', stories, '--wait=false']);
  return told;
};

/** The cluster is turned upside down where there is an authority to be seen through it. */
const roundsOf = ({ trust, node }: Stage): string[] =>
  trust.kind === 'authority' && node !== undefined
    ? ['main', 'last', 'upheaval']
    : ['main', 'last'];

type Trusted = { cloud: Cloud; trust: Trust };

const prepareTrust = async (
  { node, clouds }: Ground,
  { cloud, trust }: PassSettings,
): Promise<Trusted> => {
  // Somebody else's clouds are told whom to trust by their owner.
  if (node === undefined) {
    const issuer = clouds.find(({ name }) => name === cloud.name)?.grantIssuer;
    if (trust === 'cluster' || issuer === undefined) return { cloud, trust: { kind: 'cluster' } };
    return { cloud, trust: { kind: 'authority', issuer, audience: cloud.audience } };
  }
  if (trust === 'cluster')
    return { cloud: await trustCluster(node, cloud), trust: { kind: 'cluster' } };
  const issuer = grantIssuer(node);
  return { cloud, trust: { kind: 'authority', issuer, audience: grantAudience } };
};

/** A cloud asks for the authority's keys: it can be told of it only once it is there. */
const concludeTrust = ({ node, cloud, trust }: Stage): Promise<Cloud> =>
  node === undefined || trust.kind === 'cluster'
    ? Promise.resolve(cloud)
    : trustAuthority(node, cloud);

const runRound = async (
  { ground, only }: PassPlan,
  { pass }: Stage,
  round: string,
  stageFile: string,
): Promise<Story[]> => {
  const name = `e2e-${pass}-${round}.json`;
  const output = join(ground.folder, name);
  rmSync(output, { force: true });
  const args = [...jestArguments(output), ...onlyArguments(only)];
  await runNode(ground, args, { VALETKEY_E2E_STAGE: stageFile, VALETKEY_E2E_ROUND: round });
  keepResults(output, name);
  const isPassedOver = only !== undefined && !existsSync(output);
  return isPassedOver ? [] : readStories(pass, output);
};

/** Puts every rendering of the chart to the live API server; one story for all of it. */
export const checkChart = async ({ ground, progress }: PassPlan): Promise<Story[]> => {
  const from = performance.now();
  const where = ground.node === undefined ? [] : ['--cluster', ground.folder];
  const code = await runNode(ground, [join(root, 'charts', 'check.ts'), ...where]);
  progress(`chart checked`);
  const seconds = (performance.now() - from) / 1000;
  const isSound = code === 0;
  const output = join(ground.folder, 'stories-chart.json');
  const numbers = { numPassedTests: isSound ? 1 : 0, numFailedTests: isSound ? 0 : 1 };
  writeFileSync(output, JSON.stringify({ ...numbers, numFailedTestSuites: 0, testResults: [] }));
  keepResults(output, 'e2e-chart.json');
  const status = isSound ? 'passed' : 'failed';
  return [{ pass: 'chart', name: 'make chart, on the live API server', status, seconds }];
};

const jestArguments = (output: string): string[] => [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
  '--config',
  join(root, 'e2e', 'jest.config.mjs'),
  '--json',
  '--outputFile',
  output,
];

const onlyArguments = (only: string | undefined): string[] =>
  only === undefined ? [] : ['--testPathPatterns', only, '--passWithNoTests'];

/** Runs Node in the cluster's network, its words on ours; answers its exit code. */
const runNode = (
  { cluster }: Ground,
  args: string[],
  env: Record<string, string> = {},
): Promise<number | null> => {
  const [command, all] =
    cluster.namespace === undefined
      ? [process.execPath, args]
      : enter(cluster.namespace, process.execPath, args);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  const child = spawn(command, all, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  child.on('error', reject);
  child.on('close', resolve);
  return promise;
};

const keepResults = (output: string, name: string): void => {
  const folder = process.env['VALETKEY_RESULTS'];
  if (folder !== undefined && existsSync(output)) copyFileSync(output, join(folder, name));
};
