import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

import type { RuleGroup } from '../tools/chart/alert-rules.ts';
import { waitFor } from '../test/kit/retry.ts';
import type { Cluster } from './cluster/cluster-file.ts';
import { applyObjects, runKubectl } from './cluster/kubectl.ts';
import { sendInsideNamespace } from './cluster/namespace-request.ts';
import { getProgramPath } from './cluster/programs.ts';
import {
  listRecordedPrograms,
  startProgram,
  stopProgram,
  waitForProgram,
} from './cluster/processes.ts';
import { readGuideBlocks } from './tests/guide/guide-blocks.ts';

const PAGE = 'docs/prometheus.md';
/** Where a pod has the token of its service account and the CA of the API server. */
const POD_CREDENTIALS = '/var/run/secrets/kubernetes.io/serviceaccount';

/** What distinguishes a server of the tests from the one of docs/prometheus.md. */
export type PrometheusOptions = {
  readonly name: string;
  /** Of the cluster's network namespace. */
  readonly port: number;
  readonly groups: readonly RuleGroup[];
  readonly scrapeIntervalSeconds: number;
};

/** The server that scrapes all tests of a matrix entry. */
export const ENTRY_PROMETHEUS = { name: 'entry', port: 9090, scrapeIntervalSeconds: 5 } as const;

/** The value of one series at one time: seconds since the epoch, and the value as text. */
type Sample = readonly [time: number, value: string];
export type QueriedSeries = {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly Sample[];
};
export type FiringAlert = {
  readonly labels: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
};
type RangeQuery = {
  readonly expr: string;
  /** Seconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly stepSeconds: number;
};

/** An exemplar, with the labels of its series. */
type Exemplar = {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
};

export type PrometheusClient = {
  /** The values of an expression over time. */
  readonly queryRange: (query: RangeQuery) => Promise<readonly QueriedSeries[]>;
  /** The exemplars of the series of an expression, between two times in seconds since the epoch. */
  readonly queryExemplars: (query: Omit<RangeQuery, 'stepSeconds'>) => Promise<readonly Exemplar[]>;
  /** Pending and firing alerts. */
  readonly readAlerts: () => Promise<readonly FiringAlert[]>;
  /** When the server started, in seconds since the epoch. */
  readonly readStartTime: () => Promise<number>;
  /** Names of the jobs with a healthy target. */
  readonly listHealthyJobs: () => Promise<readonly string[]>;
};

/** Creates a client of the server at a loopback port of the cluster's network namespace. */
export const createPrometheusClient = (
  namespace: string | undefined,
  port: number,
): PrometheusClient => {
  const read = async <T>(path: string): Promise<T> => {
    const url = `http://127.0.0.1:${port}/api/v1/${path}`;
    const { status, body } = await sendInsideNamespace(namespace, { method: 'GET', url });
    if (status !== 200) throw new Error(`${url}: expected 200, got ${status}: ${body}`);
    return (JSON.parse(body) as { readonly data: T }).data;
  };
  return {
    queryRange: async ({ expr, start, end, stepSeconds }) => {
      const values = { query: expr, start: `${start}`, end: `${end}`, step: `${stepSeconds}` };
      const query = new URLSearchParams(values).toString();
      type Result = { readonly result: readonly QueriedSeries[] };
      return (await read<Result>(`query_range?${query}`)).result;
    },
    queryExemplars: async ({ expr, start, end }) => {
      const query = new URLSearchParams({ query: expr, start: `${start}`, end: `${end}` });
      type Series = Pick<Exemplar, 'seriesLabels'> & {
        readonly exemplars: readonly Pick<Exemplar, 'labels'>[];
      };
      const found = await read<readonly Series[]>(`query_exemplars?${query.toString()}`);
      return found.flatMap(({ seriesLabels, exemplars }) =>
        exemplars.map(({ labels }) => ({ seriesLabels, labels })),
      );
    },
    readAlerts: async () =>
      (await read<{ readonly alerts: readonly FiringAlert[] }>('alerts')).alerts,
    readStartTime: async () => {
      const { startTime } = await read<{ readonly startTime: string }>('status/runtimeinfo');
      return Date.parse(startTime) / 1000;
    },
    listHealthyJobs: async () => {
      type Target = { readonly health: string; readonly labels: { readonly job: string } };
      const { activeTargets } = await read<{ readonly activeTargets: readonly Target[] }>(
        'targets?state=active',
      );
      const healthy = activeTargets.filter(({ health }) => health === 'up');
      return [...new Set(healthy.map(({ labels }) => labels.job))].sort();
    },
  };
};

/**
 * Starts a Prometheus beside the cluster with the rights and the scrape configuration of docs/prometheus.md. It has
 * no data of an earlier start.
 */
export const startPrometheus = async (
  node: Cluster,
  options: PrometheusOptions,
): Promise<PrometheusClient> => {
  await stopPrometheus(node, options.name);
  const folder = join(node.folder, `prometheus-${options.name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await writeCredentials(node, folder);
  writeConfiguration(node, folder, options);
  const program = startProgram({
    folder: node.folder,
    namespace: node.namespace,
    name: `prometheus-${options.name}`,
    command: getProgramPath('prometheus'),
    args: [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${options.port}`,
      '--enable-feature=exemplar-storage',
      '--log.level=warn',
    ],
    // It looks for the files of its console in the working directory.
    cwd: folder,
  });
  const client = createPrometheusClient(node.namespace, options.port);
  await waitForProgram(program, async () => (await client.readAlerts()).length >= 0);
  return client;
};

/** Stops the server of this name, if it runs. */
export const stopPrometheus = async (node: Cluster, name: string): Promise<void> => {
  const programs = listRecordedPrograms(node.folder);
  const found = programs.filter((program) => program.name === `prometheus-${name}`);
  await Promise.all(found.map((program) => stopProgram(node.folder, program)));
};

const readBlocks = () =>
  readGuideBlocks(PAGE)
    .filter(({ language }) => language === 'yaml')
    .map(({ text }) => ({ text, value: parse(text) as Record<string, unknown> }));

/** The objects of the page, and what a pod of its service account would have. */
const writeCredentials = async (node: Cluster, folder: string): Promise<void> => {
  const objects = readBlocks().flatMap(({ value }) => ('apiVersion' in value ? [value] : []));
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'monitoring' } };
  await applyObjects(node, [namespace, ...objects]);
  const args = ['create', 'token', 'prometheus', '-n', 'monitoring', '--duration', '24h'];
  const token = await waitFor('a token of Prometheus', async () => {
    const { stdout } = await runKubectl(node, args);
    return stdout.trim();
  });
  writeFileSync(join(folder, 'token'), token, { mode: 0o600 });
  const user = { name: 'prometheus', user: { token } };
  const cluster = { server: node.apiServer, 'certificate-authority': node.caCertificate };
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'cluster', cluster }],
    users: [user],
    contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'prometheus' } }],
    'current-context': 'context',
  };
  writeFileSync(join(folder, 'kubeconfig'), stringify(kubeconfig), { mode: 0o600 });
};

type Configuration = {
  readonly global: object;
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly { readonly kubernetes_sd_configs: readonly object[] }[];
};

/** The configuration of the page: with its files where this server has them, and scraped more often. */
const writeConfiguration = (
  node: Cluster,
  folder: string,
  { groups, scrapeIntervalSeconds }: PrometheusOptions,
): void => {
  const block = readBlocks().find(({ value }) => 'scrape_configs' in value);
  if (block === undefined) throw new Error(`${PAGE}: expected scrape_configs, found none`);
  const configuration = parse(
    block.text
      .replace(`${POD_CREDENTIALS}/token`, () => join(folder, 'token'))
      .replace(`${POD_CREDENTIALS}/ca.crt`, () => node.caCertificate),
  ) as Configuration;
  const interval = `${scrapeIntervalSeconds}s`;
  const rules = join(folder, 'rules.yaml');
  writeFileSync(rules, stringify({ groups }));
  writeFileSync(
    join(folder, 'prometheus.yaml'),
    stringify({
      ...configuration,
      global: {
        ...configuration.global,
        scrape_interval: interval,
        scrape_timeout: interval,
        evaluation_interval: interval,
      },
      rule_files: [rules],
      scrape_configs: configuration.scrape_configs.map((config) => ({
        ...config,
        kubernetes_sd_configs: config.kubernetes_sd_configs.map((discovery) => ({
          ...discovery,
          kubeconfig_file: join(folder, 'kubeconfig'),
        })),
      })),
    }),
  );
};
