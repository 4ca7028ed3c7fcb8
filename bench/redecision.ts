import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { TOKEN_PATH } from '../lib/contract/authority-api.ts';
import { createConnection } from '../lib/edge/authority/connection.ts';
import { computePercentile } from '../test/kit/statistics.ts';
import { createNamespace, createPod, putCallPolicy, SIGNED_TASKS } from './authority-cluster.ts';
import {
  buildGatedExchangeForm,
  startAuthority,
  type AuthorityProcess,
} from './authority-process.ts';
import type { Bench } from './bench.ts';
import { startFakeSts } from './fake-sts.ts';
import { getEpochMs, pinToCore, readCpuSeconds } from './measured-processes.ts';
import type { RedecisionClientsInput, RedecisionEvent } from './redecision-clients.ts';
import { toRow, type Row } from './rows.ts';

const SIDECARS = 1_000;
const QUICK_SIDECARS = 50;
const PODS_PER_NAMESPACE = 100;
/** Pods that start runs all the time, each slowly enough for the authority's limit of a pod. */
const STARTING_PODS = 40;
const RUNS_PER_SECOND = 10;
const AT_REST_MS = 20_000;
const GOAL_SECONDS = 60;
const START_TIMEOUT_MS = 400_000;
const DECIDE_TIMEOUT_MS = 120_000;
/** The edit adds this policy. */
const ADDED = 'calls/finals';

/**
 * Edits a policy about calls that concerns the live runs of 1,000 sidecars: how soon the last of them has its gates,
 * and what that does to runs that start meanwhile. The authority's limits are those of the product.
 */
export async function measureRedecision(bench: Bench): Promise<Row[]> {
  const sidecars = bench.repeats === 1 ? QUICK_SIDECARS : SIDECARS;
  const sts = await startFakeSts();
  const authority = await startAuthority(bench, sts, { limits: 'product' });
  try {
    putCallPolicy(authority.cluster, { hasFinals: false });
    const tokens = await createSidecars(authority, sidecars);
    bench.progress(`starting ${sidecars} sidecars with a run each`);
    const clients = startClients(authority, tokens);
    try {
      await clients.waitForAll('following', START_TIMEOUT_MS);
      const starting = await createPods(authority, { count: STARTING_PODS, prefix: 'starting' });
      bench.progress('starting runs at rest, then after an edit of a policy');
      const rest = await startRunsUntil(authority, starting, pause(AT_REST_MS));
      const editedAt = getEpochMs();
      putCallPolicy(authority.cluster, { hasFinals: true });
      const decided = clients.waitForAll('decided', DECIDE_TIMEOUT_MS, ADDED);
      const edited = await startRunsUntil(authority, starting, decided);
      const times = (await decided).map((at) => (at - editedAt) / 1000);
      return toRows({ sidecars, times, rest, edited, ended: clients.count('ended') });
    } finally {
      clients.stop();
    }
  } finally {
    await authority.stop();
    await sts.stop();
  }
}

const toRows = ({ sidecars, times, rest, edited, ended }: Measured): Row[] => {
  const cpuPerDecision =
    ((edited.cpuSeconds - rest.cpuSeconds * (edited.seconds / rest.seconds)) * 1000) / sidecars;
  const within = { of: 'value', must: 'be at most', number: GOAL_SECONDS } as const;
  const none = { of: 'value', must: 'equal', number: 0 } as const;
  const toP99 = ({ latencies }: StartedRuns): number => computePercentile(latencies, 0.99);
  return [
    toRow({
      name: `edit of a policy to new gates in ${sidecars} sidecars, the last`,
      unit: 's',
      values: [Math.max(...times)],
      goal: within,
    }),
    toRow({ name: '… the median', unit: 's', values: [computePercentile(times, 0.5)] }),
    toRow({ name: '… CPU of the authority for each', unit: 'ms', values: [cpuPerDecision] }),
    toRow({
      name: '… runs that could not start meanwhile',
      unit: 'runs',
      values: [edited.failures],
      goal: none,
    }),
    toRow({ name: '… live runs that ended', unit: 'runs', values: [ended], goal: none }),
    toRow({
      name: '… start of a run meanwhile, 99th percentile',
      unit: 'ms',
      values: [toP99(edited)],
    }),
    toRow({ name: '… start of a run before, 99th percentile', unit: 'ms', values: [toP99(rest)] }),
  ];
};

type Measured = {
  readonly sidecars: number;
  /** Seconds from the edit, of each sidecar. */
  readonly times: readonly number[];
  readonly rest: StartedRuns;
  readonly edited: StartedRuns;
  readonly ended: number;
};

const createSidecars = async (
  authority: AuthorityProcess,
  count: number,
): Promise<readonly string[]> => {
  const namespaces = Math.ceil(count / PODS_PER_NAMESPACE);
  const created: string[] = [];
  for (let index = 0; index < namespaces; index += 1) {
    const ofNamespace = Math.min(PODS_PER_NAMESPACE, count - created.length);
    created.push(
      ...(await createPods(authority, { count: ofNamespace, prefix: `fleet-${index}` })),
    );
  }
  return created;
};

/** @returns their tokens */
const createPods = (
  { cluster }: AuthorityProcess,
  { count, prefix }: { readonly count: number; readonly prefix: string },
): Promise<string[]> => {
  createNamespace(cluster, prefix);
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      createPod(cluster, `${prefix}-${index}`, { namespace: prefix, admitted: SIGNED_TASKS }),
    ),
  );
};

type StartedRuns = {
  /** Milliseconds. */
  readonly latencies: readonly number[];
  readonly failures: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
};

/** Starts runs at a constant rate, whether or not earlier ones have answers, until `end` is fulfilled. */
const startRunsUntil = async (
  { endpoint, roots, pid }: AuthorityProcess,
  tokens: readonly string[],
  end: Promise<unknown>,
): Promise<StartedRuns> => {
  const connection = createConnection({ endpoint, roots: roots() });
  const latencies: number[] = [];
  let [failures, started, isEnded] = [0, 0, false];
  const startRun = async (token: string): Promise<void> => {
    const startedAt = performance.now();
    const form = buildGatedExchangeForm(token);
    const signal = AbortSignal.timeout(DECIDE_TIMEOUT_MS);
    const status = await connection.post(TOKEN_PATH, form, signal).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) latencies.push(performance.now() - startedAt);
    else failures += 1;
  };
  const [beginning, cpu] = [performance.now(), readCpuSeconds(pid) ?? NaN];
  const running: Promise<void>[] = [];
  end.then(
    () => (isEnded = true),
    () => (isEnded = true),
  );
  while (!isEnded) {
    running.push(startRun(tokens[started % tokens.length] ?? ''));
    started += 1;
    const dueAt = beginning + (started * 1000) / RUNS_PER_SECOND;
    await pause(Math.max(0, dueAt - performance.now()));
  }
  await Promise.all(running);
  connection.closeIdle();
  return {
    latencies,
    failures,
    seconds: (performance.now() - beginning) / 1000,
    cpuSeconds: (readCpuSeconds(pid) ?? NaN) - cpu,
  };
};

const startClients = ({ endpoint, roots }: AuthorityProcess, tokens: readonly string[]) => {
  const input: RedecisionClientsInput = { endpoint, roots: roots(), tokens };
  const file = join(import.meta.dirname, 'redecision-clients.ts');
  const [command, args] = pinToCore(process.execPath, [file], 'load');
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(input));
  const events: RedecisionEvent[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line) as RedecisionEvent);
  });
  /** The first such event of each sidecar, whose gates name the policy. */
  const find = (event: RedecisionEvent['event'], policy?: string): Map<number, number> => {
    const found = new Map<number, number>();
    for (const each of events) {
      const isWanted =
        each.event === event && (policy === undefined || each.policies.includes(policy));
      if (isWanted && !found.has(each.sidecar)) found.set(each.sidecar, each.at);
    }
    return found;
  };
  return {
    count: (event: RedecisionEvent['event']): number => find(event).size,
    /** @returns when it happened in each sidecar, milliseconds since the epoch */
    waitForAll: async (
      event: RedecisionEvent['event'],
      withinMs: number,
      policy?: string,
    ): Promise<readonly number[]> => {
      const deadline = performance.now() + withinMs;
      for (;;) {
        const found = find(event, policy);
        if (found.size === tokens.length) return [...found.values()];
        if (child.exitCode !== null || performance.now() > deadline) {
          throw new Error(
            `sidecars: expected ${tokens.length} ${event}, got ${found.size}; failed: ${listFailures(events)}`,
          );
        }
        await pause(100);
      }
    },
    stop: (): void => void child.kill(),
  };
};

const listFailures = (events: readonly RedecisionEvent[]): string => {
  const codes = Map.groupBy(
    events.filter(({ event }) => event === 'failed'),
    ({ code = '' }) => code,
  );
  return [...codes].map(([code, all]) => `${all.length} ${code}`).join(', ') || 'none';
};
