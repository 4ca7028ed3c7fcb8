import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { DECLARATION_NUMBER_PLACEHOLDER } from './admission-review.ts';
import { ADMISSION_REQUEST, expectPatch } from './admission-throughput.ts';
import { readPodTasks, TASK } from './authority-cluster.ts';
import { startAuthority, type AuthorityProcess } from './authority-process.ts';
import type { Bench } from './bench.ts';
import { startClientProcess } from './client-process.ts';
import { startFakeSts, STS_QUOTA } from './fake-sts.ts';
import { checkFileLimit, createFleet } from './fleet.ts';
import { loadServer, type LoadReport } from './load.ts';
import { readCpuSeconds } from './measured-processes.ts';
import type { PodClientsInput } from './pod-restart-clients.ts';
import { measureVirtualPods } from './pod-restart-herd.ts';
import {
  computePodRestart,
  REVIEWS_PER_POD,
  type PodClientsReport,
  type PodRestartFigures,
  type PodRestartResults,
} from './pod-restart-results.ts';
import { startWebhook, writeCertificates, type OwnWebhookProcess } from './webhook-process.ts';

type MeasuredPodRestart = Pick<
  PodRestartResults,
  'pods' | 'namespaces' | 'podsPerSecond' | 'restarts' | 'virtual'
>;

export type PodRestartOptions = { readonly pods: number; readonly podsPerSecond: number };

/** The quota; and half of what the pods ask for, as if other workloads of the account used the rest of it. */
const listLimits = ({ podsPerSecond }: PodRestartOptions): readonly number[] => [
  STS_QUOTA.perSecond,
  podsPerSecond / 2,
];
/** About what AWS needs (not measured). */
const STS_DELAY_MS = 50;
/** After the last pod has started. */
const MAX_WAIT_MS = 240_000;
/** An API server keeps a few connections to a webhook. */
const WEBHOOK_CONNECTIONS = 8;
/** What the load generator permits. */
const MAX_LOAD_SECONDS = 60;
/** A fleet restarts at programs that have served for long: the compiler has seen their code. */
const WARM_PODS = 200;
const WARM_PODS_PER_SECOND = 20;
/** Of a pod: its event stream, and its exchanges. */
const CONNECTIONS_OF_POD = 2;

/**
 * Restarts all pods of a fleet: they are created at a rate, each is reviewed by one webhook program, and its
 * sidecar opens an event stream and starts a run at one authority program, which asks STS. Repeated for an STS
 * that throttles above less.
 *
 * @throws Error if the machine permits too few files
 */
export async function measurePodRestart(
  bench: Bench,
  options: PodRestartOptions,
): Promise<MeasuredPodRestart> {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const connections = { option: '--pods', connectionsOfEach: CONNECTIONS_OF_POD };
  checkFileLimit(options.pods, limits, connections);
  const restarts: PodRestartFigures[] = [];
  let namespaces = 0;
  for (const stsLimit of listLimits(options)) {
    const measured = await measureAtLimit(bench, { ...options, stsLimit });
    restarts.push(measured.figures);
    namespaces = measured.namespaces;
  }
  const virtual = await measureVirtualPods(options.pods, STS_QUOTA.perSecond);
  return { ...options, namespaces, restarts, virtual };
}

const measureAtLimit = async (
  bench: Bench,
  { pods, podsPerSecond, stsLimit }: PodRestartOptions & { readonly stsLimit: number },
): Promise<{ readonly figures: PodRestartFigures; readonly namespaces: number }> => {
  const sts = await startFakeSts({ delayMs: STS_DELAY_MS, perSecond: stsLimit });
  const authority = await startAuthority(bench, sts, { limits: 'product' });
  const webhook = await startWebhook(bench, await writeCertificates(bench));
  try {
    await expectPatch(webhook);
    bench.progress(`creating ${pods} pods`);
    const { tokens, namespaces } = await createFleet(authority, pods);
    await warmUp(bench, { authority, webhook, tokens });
    const warmCalls = sts.calls();
    const meter = startCpuMeter({ authority, webhook });
    bench.progress(`starting ${pods} pods; STS throttles above ${stsLimit} calls per second`);
    const [clients, load] = await Promise.all([
      startPods(authority, { tokens, podsPerSecond }),
      reviewPods(bench, webhook, { pods, podsPerSecond }),
    ]);
    const calls = sts.listCalls().slice(warmCalls);
    const measured = { podsPerSecond, stsLimit, clients, calls, load, cpuSeconds: meter() };
    return { figures: computePodRestart(measured), namespaces };
  } finally {
    await Promise.all([webhook.stop(), authority.stop()]);
    await sts.stop();
  }
};

/** Counts the CPU seconds that the programs, and the API server and STS of this process, use from now on. */
const startCpuMeter = (programs: {
  readonly authority: AuthorityProcess;
  readonly webhook: OwnWebhookProcess;
}) => {
  const read = () => ({
    authority: readCpuSeconds(programs.authority.pid) ?? NaN,
    webhook: readCpuSeconds(programs.webhook.pid) ?? NaN,
    cluster: readCpuSeconds(process.pid) ?? NaN,
  });
  const before = read();
  return () => {
    const after = read();
    return {
      authority: after.authority - before.authority,
      webhook: after.webhook - before.webhook,
      cluster: after.cluster - before.cluster,
    };
  };
};

/** The first pods start once before; the rate is below every limit. */
const warmUp = async (
  bench: Bench,
  {
    authority,
    webhook,
    tokens,
  }: {
    readonly authority: AuthorityProcess;
    readonly webhook: OwnWebhookProcess;
    readonly tokens: readonly string[];
  },
): Promise<void> => {
  const podsPerSecond = WARM_PODS_PER_SECOND;
  const warm = tokens.slice(0, WARM_PODS);
  await Promise.all([
    startPods(authority, { tokens: warm, podsPerSecond }),
    reviewPods(bench, webhook, { pods: warm.length, podsPerSecond }),
  ]);
};

const reviewPods = (
  bench: Bench,
  webhook: OwnWebhookProcess,
  { pods, podsPerSecond }: PodRestartOptions,
): Promise<LoadReport> =>
  loadServer(bench, webhook, {
    request: ADMISSION_REQUEST,
    vary: DECLARATION_NUMBER_PLACEHOLDER,
    connections: WEBHOOK_CONNECTIONS,
    rate: podsPerSecond * REVIEWS_PER_POD,
    seconds: Math.min(MAX_LOAD_SECONDS, pods / podsPerSecond),
  });

/** Ends when all pods have credentials, or some time after the last of them has started. */
const startPods = async (
  { endpoint, roots }: AuthorityProcess,
  { tokens, podsPerSecond }: Pick<PodClientsInput, 'tokens' | 'podsPerSecond'>,
): Promise<PodClientsReport> => {
  const task = readPodTasks().tasks.find(({ name }) => name === TASK.task);
  if (task === undefined) throw new Error(`expected a task ${TASK.task} in the captured pod`);
  const input: PodClientsInput = {
    ...{ endpoint, roots: roots(), tokens, podsPerSecond, consumer: TASK.consumer, task },
    maxMs: (tokens.length * 1000) / podsPerSecond + MAX_WAIT_MS,
  };
  const child = startClientProcess('pod-restart-clients.ts', input);
  try {
    const ended = once(child, 'exit').then(() => {
      throw new Error('the clients ended without a report');
    });
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string];
    return JSON.parse(line) as PodClientsReport;
  } finally {
    child.stdin.end();
  }
};
