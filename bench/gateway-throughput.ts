import { once } from 'node:events';
import { connect } from 'node:net';
import { findOwnAddress } from '../test/kit/own-address.ts';
import type { Bench } from './bench.ts';
import { measureCallDecision } from './call-decision.ts';
import {
  readSettledMegabytes,
  startGateways,
  type GatewayProcess,
  type Gateways,
  type Place,
} from './gateway-processes.ts';
import { alternate, loadServer, type LoadReport, type Server } from './load.ts';
import { readPeakMegabytes } from './measured-processes.ts';
import { readPeers, type PeerLoad } from './peers.ts';
import { toRow, type Goal, type Row } from './rows.ts';
import { startSidecar } from './sidecar-process.ts';
import { formatCall, signCall, type Keys, type ObjectCall } from './signed-calls.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const SMALL: ObjectCall = { method: 'GET', bytes: KIB };
const UPLOAD: ObjectCall = { method: 'PUT', bytes: MIB };

type Load = { name: string; request: ObjectCall; connections: number };
const LOADS: readonly Load[] = [
  { name: 'GET 1 KiB × 1', request: SMALL, connections: 1 },
  { name: 'GET 1 KiB × 16', request: SMALL, connections: 16 },
  { name: 'GET 1 MiB × 8', request: { method: 'GET', bytes: MIB }, connections: 8 },
  { name: 'PUT 1 MiB × 1', request: UPLOAD, connections: 1 },
  { name: 'PUT 1 MiB × 8', request: UPLOAD, connections: 8 },
  { name: 'PUT 16 MiB × 8', request: { method: 'PUT', bytes: 16 * MIB }, connections: 8 },
];
const LARGEST = 'PUT 16 MiB × 8';

/** What a load must reach, as factors of the peer's figures (bench/peers.json). */
type Factors = { perSecond?: number; cpu?: number; p50?: number };
const FACTORS: Readonly<Record<string, Factors>> = {
  'GET 1 KiB × 1': { p50: 1.25 },
  'GET 1 KiB × 16': { perSecond: 1 },
  'GET 1 KiB × 16, HTTPS': { perSecond: 2 },
  'PUT 1 MiB × 1': { perSecond: 2, cpu: 0.45 },
  'PUT 1 MiB × 8': { perSecond: 1.5, cpu: 0.45 },
};
const PEAK_FACTOR = 0.2;

type Measured = Awaited<ReturnType<typeof loadServer>>;

/**
 * How fast the gateway verifies, decides, signs and passes on, beside a bare Go proxy that signs alone.
 * What is behind both is a Go program on an address of this machine, because the gateway refuses loopback
 * addresses as clouds; the packets stay in the kernel.
 */
export async function measureGateway(bench: Bench): Promise<Row[]> {
  const address = findOwnAddress();
  if (bench.baseline === undefined || address === undefined) {
    bench.progress('no Go, or no address besides loopback: the gateway is not measured');
    return [];
  }
  return [
    ...(await measureOver(bench, { address, scheme: 'http' })),
    ...(await measureOver(bench, { address, scheme: 'https' })),
    await measureCallDecision(bench),
  ];
}

async function measureOver(bench: Bench, place: Place): Promise<Row[]> {
  const gateways = await startGateways(bench, place);
  const over = place.scheme === 'https' ? ', HTTPS' : '';
  try {
    const early = over === '' ? await measureFootprint(bench, gateways.ours) : [];
    await warm(bench, gateways);
    const rows: Row[] = [];
    for (const load of LOADS) {
      rows.push(...(await measureLoad(bench, gateways, { ...load, name: `${load.name}${over}` })));
      const isLastSmall = over === '' && load.name === 'GET 1 KiB × 16';
      if (isLastSmall) rows.push(await measureMemoryAfterSmallCalls(gateways.ours));
    }
    return [...early, ...rows, buildPeakRow(gateways, over)];
  } finally {
    await gateways.stop();
  }
}

/** Start and memory of a sidecar that signs: before its first call, and after the first thousand. */
async function measureFootprint(bench: Bench, ours: GatewayProcess): Promise<Row[]> {
  await runLoad(bench, { server: ours, keys: ours.keys }, { ...EARLY_LOAD, request: SMALL });
  const early = await readSettledMegabytes(ours.pid);
  const starts: number[] = [];
  for (let repeat = 0; repeat < bench.repeats; repeat += 1) {
    const { readyMs, stop } = await startSidecar(bench, ours.trust);
    starts.push(readyMs);
    await stop();
  }
  return [
    buildRow('from start to ready', 'ms', starts, 115),
    buildRow('private memory, idle', 'MB', [ours.idleMegabytes], 18),
    buildRow('private memory after 1,000 calls', 'MB', [early], 50),
  ];
}

/** A thousand calls, as far as the machine keeps up. */
const EARLY_LOAD = { connections: 4, rate: 500, seconds: 2 };

const measureMemoryAfterSmallCalls = async ({ pid }: GatewayProcess): Promise<Row> =>
  buildRow('private memory after small calls', 'MB', [await readSettledMegabytes(pid)]);

const buildRow = (name: string, unit: string, values: readonly number[], most?: number): Row =>
  toRow({ name: `gateway, ${name}`, unit, values, ...toGoal('be at most', most) });

function buildPeakRow({ ours, bare }: Gateways, over: string): Row {
  const { peakMegabytes } = findPeer(`${LARGEST}${over}`);
  return toRow({
    name: `gateway, peak resident memory${over}`,
    unit: 'MB',
    values: [readPeakMegabytes(ours.pid) ?? NaN],
    baselines: [readPeakMegabytes(bare.pid) ?? NaN],
    ...toGoal('be at most', over === '' ? PEAK_FACTOR * peakMegabytes : undefined),
  });
}

const peers = readPeers().gateway.loads;

function findPeer(load: string): PeerLoad {
  const peer = peers[load];
  if (peer === undefined) throw new Error(`bench/peers.json: expected ${load}`);
  return peer;
}

/** A refusal would be quick: what is measured must be an object. */
async function expectServed({ target }: Server, request: Buffer): Promise<void> {
  const socket = connect(Number(target.split(':').at(-1)), '127.0.0.1');
  socket.write(request);
  const [first] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  const answer = first.toString('latin1', 0, 600);
  if (!answer.startsWith('HTTP/1.1 200 '))
    throw new Error(`${target}: expected 200, got ${answer}`);
}

/** The compiler has seen both paths. */
async function warm(bench: Bench, { ours, bare }: Gateways): Promise<void> {
  for (const request of [SMALL, UPLOAD]) {
    for (const server of [ours, bare]) {
      await runLoad(bench, { server, keys: ours.keys }, { request, connections: 4 });
    }
  }
}

const toGoal = (must: Goal['must'], number: number | undefined): { goal?: Goal } =>
  number === undefined ? {} : { goal: { of: 'value', must, number: roundGoal(number) } };

/** Fractions of a millisecond count, those of calls do not. */
const roundGoal = (number: number): number =>
  number < 10 ? Number(number.toPrecision(3)) : Math.round(number);

async function measureLoad(
  bench: Bench,
  { ours, bare }: Gateways,
  { name, ...load }: Load,
): Promise<Row[]> {
  const run = (server: Server) => () => runLoad(bench, { server, keys: ours.keys }, load);
  const measured = await alternate(bench.repeats, run(ours), run(bare));
  const row = (
    [what, unit]: readonly [string, string],
    read: (report: Measured) => number,
    goal: { goal?: Goal } = {},
  ): Row =>
    toRow({
      name: `gateway, ${name}${what}`,
      unit,
      values: measured.ours.map(read),
      baselines: measured.theirs.map(read),
      ...goal,
    });
  const goals = computeGoals(name);
  const perSecond = ({ requests, seconds }: LoadReport): number => requests / seconds;
  const cpu = ({ perCoreSecond }: Measured): number => 1e6 / perCoreSecond;
  return [
    row(['', 'requests per second'], perSecond, toGoal('be at least', goals.perSecond)),
    row([', CPU', 'µs per request'], cpu, toGoal('be at most', goals.cpu)),
    row([', p50', 'ms'], ({ p50Ms }) => p50Ms, toGoal('be at most', goals.p50)),
    row([', p99', 'ms'], ({ p99Ms }) => p99Ms),
  ];
}

/** The peer's table has no medians: over one connection a call takes a second divided by the rate. */
function computeGoals(load: string): Factors {
  const factors = FACTORS[load];
  if (factors === undefined) return {};
  const { perSecond, cpuUs } = findPeer(load);
  return {
    ...(factors.perSecond && { perSecond: factors.perSecond * perSecond }),
    ...(factors.cpu && { cpu: factors.cpu * cpuUs }),
    ...(factors.p50 && { p50: (factors.p50 * 1000) / perSecond }),
  };
}

async function runLoad(
  bench: Bench,
  { server, keys }: { server: Server; keys: Keys },
  {
    request,
    connections,
    seconds = bench.seconds,
    rate,
  }: Omit<Load, 'name'> & { seconds?: number; rate?: number },
): Promise<Measured> {
  const host = server.target.slice('tcp:'.length);
  const bytes = formatCall(await signCall(request, { host, keys }));
  await expectServed(server, bytes);
  const load = { request: bytes, connections, seconds, ...(rate !== undefined && { rate }) };
  return loadServer(bench, server, load);
}
