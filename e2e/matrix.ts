import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from './clouds/cloud.ts';
import { buildEnterCommand } from './cluster/network-namespace.ts';
import type { Progress } from './cluster/progress.ts';
import type { TestEnvironment } from './test-environment.ts';
import {
  grantAudience,
  getGrantIssuer,
  trustAuthority,
  trustCluster,
} from './clouds/cloud-trust.ts';
import { readRuleGroups } from '../tools/chart/alert-rules.ts';
import { ENTRY_PROMETHEUS, startPrometheus, stopPrometheus } from './prometheus-server.ts';
import { buildChartValues, buildRelease, installRelease } from './release.ts';
import type { Trust } from './release.ts';
import { deleteTestNamespaces } from './test-namespaces.ts';
import { copyResults, readTestResults, writeTestResults } from './test-results.ts';
import type { TestResult } from './test-results.ts';
import { CHART_RESULT_NAME, formatResultName, listGroups } from './test-selection.ts';
import type { GroupName } from './test-selection.ts';
import type { TestContext } from './tests/test-context.ts';

export type MatrixOptions = {
  environment: TestEnvironment;
  isFull: boolean;
  /** Regular expression: only test files whose path matches it. */
  only: string | undefined;
  progress: Progress;
};

/** One cloud with one kind of trust: the platform's settings name it while its tests run. */
export type MatrixEntry = { cloud: Cloud; trust: Trust['kind'] };

const root = join(import.meta.dirname, '..');

/** Returns `minio`, or `minio-cluster` if the cloud trusts the cluster itself. */
export const formatEntryName = ({ cloud, trust }: MatrixEntry): string =>
  trust === 'authority' ? cloud.name : `${cloud.name}-cluster`;

/** Lists the groups of an entry that have a test file to run. */
export const listEntryGroups = (
  { environment: { node }, isFull, only }: MatrixOptions,
  entry: string,
): GroupName[] => listGroups(entry, { isFull, hasNode: node !== undefined, only });

/**
 * Runs the entries one after another. The chart check, which is part of a complete run, comes first: it
 * renders the notes as an installation would, which needs a cluster without the chart.
 */
export const runMatrix = async (
  options: MatrixOptions,
  entries: MatrixEntry[],
): Promise<TestResult[]> => {
  const results: TestResult[] = options.only === undefined ? await checkChart(options) : [];
  for (const entry of entries) {
    results.push(...(await runGroups(options, await installEntry(options, entry))));
  }
  return results;
};

/** Has the cloud trust the entry's issuer, and installs or upgrades the chart with its settings. */
const installEntry = async (
  { environment, isFull, progress }: MatrixOptions,
  settings: MatrixEntry,
): Promise<TestContext> => {
  const entry = formatEntryName(settings);
  const release = buildRelease(environment.folder);
  const { cloud, trust } = await prepareCloudTrust(environment, settings);
  const context: TestContext = { ...environment, entry, cloud, trust, release, isFull };
  await installRelease(context, release, buildChartValues(context));
  const registered = { ...context, cloud: await registerAuthorityTrust(context) };
  progress(`installed for ${entry}`);
  return registered;
};

type CloudTrust = { cloud: Cloud; trust: Trust };

const prepareCloudTrust = async (
  { node, clouds }: TestEnvironment,
  { cloud, trust }: MatrixEntry,
): Promise<CloudTrust> => {
  // The owner of an external cloud has configured its trust.
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

/** A cloud fetches the authority's keys when it registers the issuer, so the authority must run by then. */
const registerAuthorityTrust = ({ node, cloud, trust }: TestContext): Promise<Cloud> =>
  node === undefined || trust.kind === 'cluster'
    ? Promise.resolve(cloud)
    : trustAuthority(node, cloud);

const runGroups = async (options: MatrixOptions, context: TestContext): Promise<TestResult[]> => {
  const { environment } = options;
  const contextFile = join(environment.folder, `context-${context.entry}.json`);
  writeFileSync(contextFile, JSON.stringify(context));
  const results: TestResult[] = [];
  const groups = listEntryGroups(options, context.entry);
  if (groups.includes('metrics')) await startEntryPrometheus(environment);
  for (const group of groups)
    results.push(...(await runGroup(options, { entry: context.entry, group, contextFile })));
  if (environment.node !== undefined) await stopPrometheus(environment.node, ENTRY_PROMETHEUS.name);
  await deleteTestNamespaces(environment.cluster, ['--wait=false']);
  return results;
};

/** It scrapes all tests of the entry; those of the group `metrics` query it. */
const startEntryPrometheus = async ({ node }: TestEnvironment): Promise<void> => {
  if (node !== undefined)
    await startPrometheus(node, { ...ENTRY_PROMETHEUS, groups: readRuleGroups() });
};

type GroupRun = { entry: string; group: GroupName; contextFile: string };

const runGroup = async (
  { environment, only }: MatrixOptions,
  { entry, group, contextFile }: GroupRun,
): Promise<TestResult[]> => {
  const name = formatResultName(entry, group);
  const output = join(environment.folder, name);
  rmSync(output, { force: true });
  const args = [...buildJestArguments(output), ...buildOnlyArguments(only)];
  await runNodeInNetwork(environment, args, {
    VALETKEY_E2E_CONTEXT: contextFile,
    VALETKEY_E2E_GROUP: group,
  });
  copyResults(output, name);
  return readTestResults(entry, output);
};

/** Validates every rendering of the chart on the API server; all of it counts as one test. */
const checkChart = async ({ environment, progress }: MatrixOptions): Promise<TestResult[]> => {
  const startedAt = performance.now();
  const cluster = environment.node === undefined ? [] : ['--cluster', environment.folder];
  const program = join(root, 'tools', 'chart', 'check.ts');
  const exitCode = await runNodeInNetwork(environment, [program, ...cluster]);
  progress('chart checked');
  const status = exitCode === 0 ? 'passed' : 'failed';
  const duration = performance.now() - startedAt;
  const test = { fullName: 'make chart, on the API server', status, duration } as const;
  const output = join(environment.folder, CHART_RESULT_NAME);
  writeTestResults(output, program, [test]);
  copyResults(output, CHART_RESULT_NAME);
  return readTestResults('chart', output);
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
  only === undefined ? [] : ['--testPathPatterns', only];

/** Runs Node in the cluster's network namespace with our standard output; returns its exit code. */
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
