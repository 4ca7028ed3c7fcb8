import { createTokenBuckets } from '../lib/async/token-buckets.ts';
import { retryWithBackoff } from '../lib/async/retry.ts';
import { ExchangeError, type Exchange } from '../lib/contract/exchange.ts';
import type { Task } from '../lib/contract/task.ts';
import { CloudRequestError } from '../lib/edge/aws/cloud-request-error.ts';
import type { AssumeRole } from '../lib/edge/aws/sts-call.ts';
import { AUTHORITY_RETRY_BUDGET_MS } from '../lib/edge/aws/role-assumption.ts';
import { assumeForRun } from '../lib/edge/aws/sts-retry.ts';
import { createRunRegistry } from '../lib/runs/run-registry.ts';
import { round } from '../test/kit/statistics.ts';
import type { StsCall } from './fake-sts.ts';
import { countPeak, createRandom, createVirtualTime } from './fleet-herd.ts';
import { AGENT_JITTER_MS, type VirtualPodRestart } from './pod-restart-results.ts';

export type PodHerdOptions = {
  /** Pods that start in one moment. */
  readonly pods: number;
  /** Calls per second that STS answers before it throttles, and as many at once. */
  readonly stsLimit: number;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
};

export type PodHerd = {
  /** Times in milliseconds since the start. */
  readonly calls: readonly StsCall[];
  /** When each pod got credentials, ascending. */
  readonly served: readonly number[];
  /** Of each pod: exchanges that its sidecar repeated, and requests that its agent repeated. */
  readonly retries: readonly number[];
};

/** Ends the simulation if a pod never gets credentials. */
const MAX_MS = 600_000;
const STS_DELAY_MS = 50;
const TASK: Task = {
  name: 'summarize',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
  params: {},
  lifetimeSeconds: 3_600,
  delivery: 'vend',
  containers: ['agent'],
  default: true,
  exclusive: false,
};

/**
 * Simulates in virtual time that all pods of a fleet start in one moment, at an authority that is never busy:
 * its own calls to STS and the sidecars' own exchanges, each with its own backoff and jitter. Deterministic.
 */
export const simulatePodHerd = async ({
  pods,
  stsLimit,
  random,
}: PodHerdOptions): Promise<PodHerd> => {
  const { clock, schedule, advanceUntil } = createVirtualTime();
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void schedule(ms, resolve));
  const sts = createModelSts({ stsLimit, clock, pause });
  const deps = { clock, random, pause };
  const issue: Exchange = async ({ task: { role, lifetimeSeconds } }, signal) => {
    const { issued } = await assumeForRun(
      {
        ...{ ...deps, assumeRole: sts.assumeRole, reportSkew: ignore },
        budgetMs: AUTHORITY_RETRY_BUDGET_MS,
      },
      {
        ...{ run: `run-${random()}`, role, lifetimeSeconds, sessionName: 'agent', signal },
        ...{ readToken: () => 'token', sessionPolicy: () => undefined },
      },
    );
    return issued;
  };
  const exchange: Exchange = (request, signal, onRetry) =>
    retryWithBackoff(
      {
        attempt: () => issue(request, signal),
        evaluate: (thrown) => ({ action: 'retry', error: toExchangeError(thrown) }),
        onRetry,
      },
      deps,
      signal,
    );
  const served: number[] = [];
  const retries = Array.from({ length: pods }, () => 0);
  const startPod = async (index: number): Promise<void> => {
    const noteRetry = (): void => void (retries[index] = (retries[index] ?? 0) + 1);
    const registry = createRunRegistry({
      ...{ clock, schedule, observer: { started: ignore, ended: ignore } },
      exchange: (request, signal) => exchange(request, signal, noteRetry),
    });
    for (;;) {
      const result = await registry.startRun('agent', TASK);
      if (result.kind === 'run') break;
      noteRetry();
      await pause((result.retryAfterMs ?? 0) + random() * AGENT_JITTER_MS);
    }
    served.push(clock.monotonic());
  };
  retries.forEach((_, index) => void startPod(index));
  await advanceUntil(() => served.length === pods, MAX_MS);
  return { calls: sts.calls, served, retries };
};

/** The herd of a fleet with jitter; a test repeats it. */
export const measureVirtualPods = async (
  pods: number,
  stsLimit: number,
): Promise<VirtualPodRestart> => {
  const { calls, served, retries } = await simulatePodHerd({
    ...{ pods, stsLimit, random: createRandom(1) },
  });
  const times = calls.map(({ at }) => at);
  const later = times.filter((at) => at >= 1_000);
  return {
    stsLimit,
    waiting: pods - served.length,
    halfSeconds: round((served[Math.ceil(served.length / 2) - 1] ?? NaN) / 1000),
    allSeconds: round((served.at(-1) ?? NaN) / 1000),
    maxRetries: Math.max(...retries),
    stsCalls: calls.length,
    stsThrottled: calls.filter(({ isThrottled }) => isThrottled).length,
    stsPeakInTenth: countPeak(times, 100),
    laterPeakInTenth: countPeak(later, 100),
  };
};

const ignore = (): void => undefined;

const toExchangeError = (thrown: unknown): ExchangeError => {
  if (thrown instanceof ExchangeError) return thrown;
  throw thrown;
};

type VirtualTime = ReturnType<typeof createVirtualTime>;

const createModelSts = ({
  stsLimit,
  clock,
  pause,
}: Pick<VirtualTime, 'clock'> & {
  readonly stsLimit: number;
  readonly pause: (ms: number) => Promise<void>;
}) => {
  const calls: StsCall[] = [];
  const { monotonic } = clock;
  const take = createTokenBuckets({ perSecond: stsLimit, burst: stsLimit, capacity: 1, monotonic });
  const assumeRole: AssumeRole = async ({ durationSeconds }) => {
    const isThrottled = take('account') > 0;
    calls.push({ at: monotonic(), isThrottled });
    const expiration = clock.now() + durationSeconds * 1000;
    await pause(STS_DELAY_MS);
    if (isThrottled) throw new CloudRequestError('Throttling', 'Rate exceeded', { status: 400 });
    const keys = { accessKeyId: 'ASIABENCH', secretAccessKey: 'bench', sessionToken: 'bench' };
    return { keys, expiration };
  };
  return { calls, assumeRole };
};
