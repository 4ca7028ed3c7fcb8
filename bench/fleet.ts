import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { TOKEN_PATH } from '../lib/contract/authority-api.ts';
import { createConnection } from '../lib/edge/authority/connection.ts';
import { round } from '../test/kit/statistics.ts';
import { createNamespace, createPod } from './authority-cluster.ts';
import { buildExchangeForm, startAuthority, type AuthorityProcess } from './authority-process.ts';
import type { Bench } from './bench.ts';
import { startClientProcess } from './client-process.ts';
import { startFakeSts } from './fake-sts.ts';
import type { FleetClientsInput, FleetEnd, FleetProgress } from './fleet-clients.ts';
import { measureVirtualHerd, toHerdFigures } from './fleet-herd.ts';
import type { FleetResults } from './fleet-results.ts';
import { getEpochMs, readCpuSeconds, readPrivateMegabytes } from './measured-processes.ts';

type MeasuredFleet = Pick<FleetResults, 'streams' | 'namespaces' | 'costs' | 'restart' | 'virtual'>;

const PODS_PER_NAMESPACE = 100;
const SETTLE_MS = 5_000;
/** A busy machine opens some dozens of streams in a second. */
const OPENED_PER_SECOND = 200;
const OPEN_TIMEOUT_MS = 240_000;
const RUNS = 500;
const CONCURRENT_RUNS = 8;
/** Descriptors of a process beside its streams. */
const OTHER_FILES = 256;

/**
 * @param limits text of /proc/self/limits
 * @throws Error if a process may not have as many open files as it has connections
 */
export const checkFileLimit = (
  count: number,
  limits: string,
  { option = '--fleet', connectionsOfEach = 1 } = {},
): void => {
  const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  const needed = count * connectionsOfEach + OTHER_FILES;
  if (soft === 'unlimited' || Number(soft) >= needed) return;
  throw new Error(
    `${option} ${count}: expected at least ${needed} open files, found ${soft === '' ? 'no limit in /proc/self/limits' : soft}; raise \`ulimit -n\` or lower ${option}`,
  );
};

/**
 * Opens the streams of a fleet of sidecars at one real authority program, measures what each costs, kills the
 * program and starts it again, and waits until every stream is back.
 *
 * @throws Error if the machine permits too few files, or if streams do not come back within four minutes
 */
export async function measureFleet(bench: Bench, streams: number): Promise<MeasuredFleet> {
  // Node raises its soft limit to the hard one when it starts.
  checkFileLimit(streams, readFileSync('/proc/self/limits', 'utf8'));
  const sts = await startFakeSts();
  const authority = await startAuthority(bench, sts, { limits: 'product' });
  try {
    bench.progress(`creating ${streams} pods`);
    const { tokens, namespaces } = await createFleet(authority, streams);
    await pause(SETTLE_MS);
    const idle = await measureIdle(authority);
    bench.progress(`opening ${streams} streams`);
    const clients = startClients(authority, tokens);
    try {
      const opening = await measureOpening(authority, { clients, streams, idle });
      bench.progress('issuing runs');
      const runs = await measureRuns(authority, { tokens, idle });
      bench.progress('killing the authority and starting it again');
      const restart = await measureRestart(authority, { clients, streams });
      const virtual = await measureVirtualHerd(streams, opening.cpuMillisecondsPerStream);
      const costs = { ...idle, ...opening, ...runs };
      return { streams, namespaces, costs, restart, virtual };
    } finally {
      clients.stop();
    }
  } finally {
    await authority.stop();
    await sts.stop();
  }
}

/** Creates pods in namespaces of a hundred. @returns their projected tokens */
export const createFleet = async (
  { cluster }: Pick<AuthorityProcess, 'cluster'>,
  pods: number,
): Promise<{ readonly tokens: readonly string[]; readonly namespaces: number }> => {
  const namespaces = Math.ceil(pods / PODS_PER_NAMESPACE);
  for (let index = 0; index < namespaces; index += 1) createNamespace(cluster, `fleet-${index}`);
  const tokens = await Promise.all(
    Array.from({ length: pods }, (_, index) =>
      createPod(cluster, `agent-${index}`, { namespace: `fleet-${index % namespaces}` }),
    ),
  );
  return { tokens, namespaces };
};

type Idle = { readonly idleMegabytes: number; readonly idleCallsPerSecond: number };

const measureIdle = async ({ pid, cluster }: AuthorityProcess): Promise<Idle> => {
  const before = cluster.countRequests();
  await pause(2 * SETTLE_MS);
  const calls = cluster.countRequests() - before;
  return {
    idleMegabytes: round(readPrivateMegabytes(pid) ?? NaN),
    idleCallsPerSecond: round((calls * 1000) / (2 * SETTLE_MS)),
  };
};

/** Counts what the authority uses from now on. */
const startMeter = ({ pid, cluster }: AuthorityProcess, { idleCallsPerSecond }: Idle) => {
  const startedAt = performance.now();
  const [cpu, calls] = [readCpuSeconds(pid) ?? NaN, cluster.countRequests()];
  return () => {
    const seconds = (performance.now() - startedAt) / 1000;
    return {
      cpuSeconds: (readCpuSeconds(pid) ?? NaN) - cpu,
      calls: cluster.countRequests() - calls - idleCallsPerSecond * seconds,
    };
  };
};

type Clients = ReturnType<typeof startClients>;

const measureOpening = async (
  authority: AuthorityProcess,
  { clients, streams, idle }: { clients: Clients; streams: number; idle: Idle },
) => {
  const meter = startMeter(authority, idle);
  await clients.waitUntilOpen(streams);
  const { cpuSeconds, calls } = meter();
  await pause(SETTLE_MS);
  const megabytes = readPrivateMegabytes(authority.pid) ?? NaN;
  return {
    kilobytesPerStream: round(((megabytes - idle.idleMegabytes) * 1000) / streams),
    cpuMillisecondsPerStream: round((cpuSeconds * 1000) / streams),
    callsPerStream: round(calls / streams),
  };
};

/** One run of each of the first pods. */
const measureRuns = async (
  authority: AuthorityProcess,
  { tokens, idle }: { tokens: readonly string[]; idle: Idle },
) => {
  const { endpoint, roots } = authority;
  const { post, closeIdle } = createConnection({ endpoint, roots: roots() });
  const { signal } = new AbortController();
  const waiting = tokens.slice(0, RUNS);
  const runs = waiting.length;
  const issueNext = async (): Promise<void> => {
    for (let token = waiting.pop(); token !== undefined; token = waiting.pop()) {
      const { status, body } = await post(TOKEN_PATH, buildExchangeForm(token), signal);
      if (status !== 200) throw new Error(`a run: expected 200, got ${status}: ${body}`);
    }
  };
  const [meter, bytes] = [startMeter(authority, idle), authority.readAuditBytes()];
  await Promise.all(Array.from({ length: CONCURRENT_RUNS }, issueNext));
  const { cpuSeconds, calls } = meter();
  closeIdle();
  return {
    runs,
    cpuMillisecondsPerRun: round((cpuSeconds * 1000) / runs),
    callsPerRun: round(calls / runs),
    auditBytesPerRun: round((authority.readAuditBytes() - bytes) / runs),
  };
};

const measureRestart = async (
  authority: AuthorityProcess,
  { clients, streams }: { clients: Clients; streams: number },
): Promise<FleetResults['restart']> => {
  const killedAt = getEpochMs();
  await authority.restart();
  const readyAt = getEpochMs();
  await clients.waitUntilOpen(streams, killedAt);
  await pause(SETTLE_MS);
  const { attempts, opened, ended, open } = clients.readSince(killedAt);
  const failures = countReasons(ended.filter(({ wasOpen }) => !wasOpen));
  return {
    ...toHerdFigures({ attempts, returned: opened }, streams),
    lost: streams - open,
    readySeconds: round((readyAt - killedAt) / 1000),
    cpuSeconds: round(readCpuSeconds(authority.pid) ?? NaN),
    megabytes: round(readPrivateMegabytes(authority.pid) ?? NaN),
    failures,
  };
};

const countReasons = (ends: readonly FleetEnd[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { reason } of ends) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
};

const startClients = ({ endpoint, roots }: AuthorityProcess, tokens: readonly string[]) => {
  const input: FleetClientsInput = {
    endpoint,
    roots: roots(),
    tokens,
    openedPerSecond: OPENED_PER_SECOND,
  };
  const child = startClientProcess('fleet-clients.ts', input);
  let open = 0;
  const attempts: number[] = [];
  const opened: number[] = [];
  const ended: FleetEnd[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const progress = JSON.parse(line) as FleetProgress;
    open = progress.open;
    attempts.push(...progress.attempts);
    opened.push(...progress.opened);
    ended.push(...progress.ended);
  });
  /** Times in milliseconds since then, ascending. */
  const readSince = (since: number) => {
    const pick = (times: readonly number[]): number[] =>
      times.filter((at) => at >= since).map((at) => at - since);
    const ends = ended.filter(({ at }) => at >= since);
    return { open, attempts: pick(attempts), opened: pick(opened), ended: ends };
  };
  return {
    readSince,
    /** Resolves when all streams are open, each opened at least once since then. */
    waitUntilOpen: async (streams: number, since = 0): Promise<void> => {
      const deadline = performance.now() + OPEN_TIMEOUT_MS;
      while (open < streams || readSince(since).opened.length < streams) {
        if (child.exitCode !== null || performance.now() > deadline) {
          throw new Error(`expected ${streams} open streams, found ${open}`);
        }
        await pause(50);
      }
    },
    /** The process ends with its standard input. */
    stop: () => void child.stdin.end(),
  };
};
