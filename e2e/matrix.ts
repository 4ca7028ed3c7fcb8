import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from './clouds/cloud.ts';
import { runKubectl } from './cluster/kubectl.ts';
import { buildEnterCommand } from './cluster/network-namespace.ts';
import type { Progress } from './cluster/progress.ts';
import type { TestEnvironment } from './test-environment.ts';
import {
  grantAudience,
  getGrantIssuer,
  trustAuthority,
  trustCluster,
} from './clouds/cloud-trust.ts';
import { installRelease, buildRelease, buildChartValues } from './release.ts';
import type { Trust } from './release.ts';
import { readTestResults } from './test-results.ts';
import type { TestResult } from './test-results.ts';
import type { TestContext } from './tests/test-context.ts';

export type MatrixOptions = {
  environment: TestEnvironment;
  isFull: boolean;
  /** Only story files whose path matches. */
  only: string | undefined;
  progress: Progress;
};

const root = join(import.meta.dirname, '..');

/** What a pass is called: `minio`, or `minio-cluster` where the cloud trusts the cluster itself. */
export const formatEntryName = ({ cloud, trust }: MatrixEntry): string =>
  trust === 'authority' ? cloud.name : `${cloud.name}-cluster`;

export type MatrixEntry = { cloud: Cloud; trust: Trust['kind'] };

/** One pass: the platform's settings name one cloud and one kind of trust, and every story runs against it. */
export const runMatrixEntry = async (
  plan: MatrixOptions,
  settings: MatrixEntry,
): Promise<TestResult[]> => {
  const { environment, isFull, progress } = plan;
  const entry = formatEntryName(settings);
  const release = buildRelease(environment.folder);
  const { cloud, trust } = await prepareCloudTrust(environment, settings);
  const before: TestContext = { ...environment, entry, cloud, trust, release, isFull };
  await installRelease(before, release, buildChartValues(before));
  const stage = { ...before, cloud: await registerAuthorityTrust(before) };
  progress(`installed for ${entry}`);
  const stageFile = join(environment.folder, `context-${entry}.json`);
  writeFileSync(stageFile, JSON.stringify(stage));
  const told: TestResult[] = [];
  for (const round of listGroups(stage))
    told.push(...(await runGroup(plan, stage, round, stageFile)));
  const stories = 'e2e.valetkey.dev/test=true';
  await runKubectl(environment.cluster, ['delete', 'namespace', '-l', stories, '--wait=false']);
  return told;
};

/** The cluster is turned upside down where there is an authority to be seen through it. */
const listGroups = ({ trust, node }: TestContext): string[] =>
  trust.kind === 'authority' && node !== undefined
    ? ['main', 'serial', 'disruption']
    : ['main', 'serial'];

type TrustedCloud = { cloud: Cloud; trust: Trust };

const prepareCloudTrust = async (
  { node, clouds }: TestEnvironment,
  { cloud, trust }: MatrixEntry,
): Promise<TrustedCloud> => {
  // Somebody else's clouds are told whom to trust by their owner.
  if (node === undefined) {
    const issuer = clouds.find(({ name }) => name === cloud.name)?.grantIssuer;
    if (trust === 'cluster' || issuer === undefined) return { cloud, trust: { kind: 'cluster' } };
    return { cloud, trust: { kind: 'authority', issuer, audience: cloud.audience } };
  }
  if (trust === 'cluster')
    return { cloud: await trustCluster(node, cloud), trust: { kind: 'cluster' } };
  const issuer = getGrantIssuer(node);
  return { cloud, trust: { kind: 'authority', issuer, audience: grantAudience } };
};

/** A cloud asks for the authority's keys: it can be told of it only once it is there. */
const registerAuthorityTrust = ({ node, cloud, trust }: TestContext): Promise<Cloud> =>
  node === undefined || trust.kind === 'cluster'
    ? Promise.resolve(cloud)
    : trustAuthority(node, cloud);

const runGroup = async (
  { environment, only }: MatrixOptions,
  { entry }: TestContext,
  round: string,
  stageFile: string,
): Promise<TestResult[]> => {
  const name = `e2e-${entry}-${round}.json`;
  const output = join(environment.folder, name);
  rmSync(output, { force: true });
  const args = [...buildJestArguments(output), ...buildOnlyArguments(only)];
  await runNodeInNetwork(environment, args, {
    VALETKEY_E2E_CONTEXT: stageFile,
    VALETKEY_E2E_GROUP: round,
  });
  copyResults(output, name);
  const isPassedOver = only !== undefined && !existsSync(output);
  return isPassedOver ? [] : readTestResults(entry, output);
};

/** Puts every rendering of the chart to the live API server; one story for all of it. */
export const checkChart = async ({
  environment,
  progress,
}: MatrixOptions): Promise<TestResult[]> => {
  const from = performance.now();
  const where = environment.node === undefined ? [] : ['--cluster', environment.folder];
  const code = await runNodeInNetwork(environment, [join(root, 'tools', 'chart', 'check.ts'), ...where]);
  progress(`chart checked`);
  const seconds = (performance.now() - from) / 1000;
  const isSound = code === 0;
  const output = join(environment.folder, 'chart.json');
  const numbers = { numPassedTests: isSound ? 1 : 0, numFailedTests: isSound ? 0 : 1 };
  writeFileSync(output, JSON.stringify({ ...numbers, numFailedTestSuites: 0, testResults: [] }));
  copyResults(output, 'e2e-chart.json');
  const status = isSound ? 'passed' : 'failed';
  return [{ entry: 'chart', name: 'make chart, on the live API server', status, seconds }];
};

const buildJestArguments = (output: string): string[] => [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
  '--config',
  join(root, 'e2e', 'jest.config.mjs'),
  '--json',
  '--outputFile',
  output,
];

const buildOnlyArguments = (only: string | undefined): string[] =>
  only === undefined ? [] : ['--testPathPatterns', only, '--passWithNoTests'];

/** Runs Node in the cluster's network, its words on ours; answers its exit code. */
const runNodeInNetwork = (
  { cluster }: TestEnvironment,
  args: string[],
  env: Record<string, string> = {},
): Promise<number | null> => {
  const [command, all] =
    cluster.namespace === undefined
      ? [process.execPath, args]
      : buildEnterCommand(cluster.namespace, process.execPath, args);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  const child = spawn(command, all, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  child.on('error', reject);
  child.on('close', resolve);
  return promise;
};

const copyResults = (output: string, name: string): void => {
  const folder = process.env['VALETKEY_RESULTS'];
  if (folder !== undefined && existsSync(output)) copyFileSync(output, join(folder, name));
};
