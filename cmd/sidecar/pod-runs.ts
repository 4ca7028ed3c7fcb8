import { randomUUID } from 'node:crypto';

import type { WriteText } from '../../lib/calls/line-writer.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Exchange } from '../../lib/contract/exchange.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import { createLazySidecarMetrics } from '../../lib/edge/telemetry/lazy-sidecar-metrics.ts';
import type { GatewayState, SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { NO_TRACING, type Tracing } from '../../lib/edge/telemetry/tracing.ts';
import type { RunObserver } from '../../lib/runs/active-runs.ts';
import type { LocalKeys } from '../../lib/runs/local-keys.ts';
import { createNotedExchange } from '../../lib/runs/noted-exchange.ts';
import type { RefusalMemory } from '../../lib/runs/refusal-memory.ts';
import type { RunBudgets } from '../../lib/runs/run-budgets.ts';
import { createRunRegistry, type RunRegistry } from '../../lib/runs/run-registry.ts';
import type { SidecarConfig } from './config.ts';
import type { CredentialSource } from './credential-source.ts';
import type * as gatewayModule from './gateway.ts';
import { createObservedExchange } from './observed-exchange.ts';

/** Loaded only for pods with sign tasks: others would keep it in memory. */
type GatewayModule = typeof gatewayModule;

export type PodRunDeps = {
  readonly config: SidecarConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Standard output, for the journal of calls. */
  readonly write: WriteText;
  readonly createCredentialSource: (metrics: SidecarMetrics) => CredentialSource;
  /** Absent: off. */
  readonly tracing?: Pick<Tracing, 'wrap' | 'traceId'>;
};

type PodRunOptions = {
  readonly refusals: RefusalMemory;
  /** Nothing before the gateway has started. */
  readonly readGateway: () => GatewayState | undefined;
};

/**
 * Creates the runs of the pod, with where their credentials come from, their metrics, and what signs calls with
 * their keys.
 *
 * @throws SeedFileError
 */
export const createPodRuns = async (deps: PodRunDeps, { refusals, readGateway }: PodRunOptions) => {
  const { config, clock, schedule } = deps;
  const module = await loadGatewayModule(config);
  const localKeys = module?.createPodKeys(config);
  const budgets = module?.createPodBudgets(config, clock);
  const metrics = createLazySidecarMetrics({
    tasks: config.admitted.tasks.map(({ name }) => name),
    readExpirations: () => findLatestExpirations(registry, clock.now()),
    authority: () => source.authority?.getConnectionState(),
    gateway: readGateway,
    readBudgetShares: () => budgets?.listShares() ?? [],
    readGates: () =>
      source.authority && registry.listActive().flatMap(({ oversight }) => oversight?.gates ?? []),
  });
  const source = deps.createCredentialSource(metrics);
  const fixedKeyAnswers = new Map<string, boolean>();
  const registry: RunRegistry = createRunRegistry({
    exchange: observeExchange(deps, { source, metrics, refusals, fixedKeyAnswers }),
    clock,
    schedule,
    revocationsCurrentUntil: source.authority?.revocationsCurrentUntil,
    localKeys,
    budgets,
    observer: createRunObserver(deps, { source, metrics, getSigning: () => signing }),
  });
  const signing =
    module && localKeys && createSigning(deps, { module, localKeys, registry, budgets, source });
  return {
    registry,
    metrics,
    source,
    signing: signing && { ...signing, fixedKeyAnswers },
  };
};

const loadGatewayModule = async ({
  admitted: { tasks },
}: SidecarConfig): Promise<GatewayModule | undefined> =>
  tasks.some(({ delivery }) => delivery === 'sign') ? import('./gateway.ts') : undefined;

const observeExchange = (
  { log, clock, tracing = NO_TRACING }: PodRunDeps,
  {
    source,
    metrics,
    refusals,
    fixedKeyAnswers,
  }: {
    readonly source: CredentialSource;
    readonly metrics: SidecarMetrics;
    readonly refusals: RefusalMemory;
    readonly fixedKeyAnswers: Map<string, boolean>;
  },
): Exchange => {
  const observed = createObservedExchange(source.exchange, {
    metrics,
    log,
    clock,
    fixedKeyAnswers,
    createRequestId: randomUUID,
    traceId: tracing.traceId,
  });
  const traced = tracing.wrap('sidecar.exchange', observed, 'root');
  return createNotedExchange(traced, { refusals, createId: randomUUID });
};

const createRunObserver = (
  { log }: PodRunDeps,
  {
    source,
    metrics,
    getSigning,
  }: {
    readonly source: CredentialSource;
    readonly metrics: SidecarMetrics;
    readonly getSigning: () => Signing | undefined;
  },
): RunObserver => ({
  started: ({ run, task, consumer, requestId: request }) => {
    metrics.runStarted(task.name);
    log.info('run started', {
      run,
      task: task.name,
      consumer,
      ...(request !== undefined && { request }),
    });
  },
  ended: (ended, reason) => {
    const { run, task, consumer } = ended;
    const signing = getSigning();
    signing?.runs.end(ended, reason);
    // Calls with vended keys do not pass here: that there were none must not be reported.
    if (task.delivery === 'sign') signing?.journal.endRun(run);
    source.authority?.reportRunEnd(ended, reason);
    metrics.runEnded(task.name, reason);
    log.info('run ended', { run, task: task.name, consumer, reason });
  },
  discarded: (issued) => source.authority?.reportDiscarded(issued),
});

type Signing = NonNullable<ReturnType<typeof createSigning>>;

/** What the gateway takes of the runs; nothing if no gateway is configured. */
const createSigning = (
  deps: PodRunDeps,
  {
    module,
    localKeys,
    registry,
    budgets,
    source: { authority },
  }: {
    readonly module: GatewayModule;
    readonly localKeys: LocalKeys;
    readonly registry: RunRegistry;
    readonly budgets: RunBudgets | undefined;
    readonly source: CredentialSource;
  },
) => {
  const { config, schedule, log } = deps;
  const { gateway: access } = config;
  return (
    access && {
      access,
      localKeys,
      runs: module.createPodCallRuns(config, {
        registry,
        schedule,
        budgets,
        reporting: {
          decideCall: authority?.decideCall,
          schedule,
          log,
          random: Math.random,
        },
      }),
      journal: module.createCallJournal(access, { ...deps, report: authority?.reportCalls }),
      startGateway: module.startGateway,
    }
  );
};

/** The deadline of the longest-lived run of each task, in milliseconds since the epoch. */
const findLatestExpirations = (registry: RunRegistry, now: number): ReadonlyMap<string, number> => {
  const latest = new Map<string, number>();
  for (const run of registry.listActive()) {
    const expiration = now + Math.max(0, registry.remainingMs(run));
    latest.set(run.task.name, Math.max(expiration, latest.get(run.task.name) ?? 0));
  }
  return latest;
};
