import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { SignatureV4 } from '@smithy/signature-v4';
import { setTimeout as pause } from 'node:timers/promises';
import { Sha256 } from '../test/fakes/cloud/s3/digests.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import type { Bench } from './bench.ts';
import { startFakeSts } from './fake-sts.ts';
import { alternate, loadServer, type LoadReport, type Server } from './load.ts';
import {
  readPeakMegabytes,
  readPrivateMegabytes,
  startProgram,
  waitUntilAnswered,
  type MeasuredProgram,
} from './measured-processes.ts';
import { toRow, type Goal, type Row } from './rows.ts';
import { createClusterTrust, startSidecar, type SidecarProcess } from './sidecar-process.ts';
import { writeCertificates } from './webhook-process.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SETTLE_MS = 1000;

/** aws-sigv4-proxy on such a machine (docs/performance.md): calls per second, µs per call, MB. */
const PEER = {
  gets: 6968,
  httpsGets: 1774,
  puts1: 248,
  put1Cpu: 3800,
  puts8: 374,
  put8Cpu: 2700,
  peakMegabytes: 563,
} as const;

/** Keys as the container credentials provider serves them. */
export type Keys = { AccessKeyId: string; SecretAccessKey: string; Token: string };
type Gateways = { ours: GatewayProcess; bare: Server | undefined; stop: () => Promise<void> };
type GatewayProcess = Server & { keys: Keys; sidecar: SidecarProcess };
type Request = { method: 'GET' | 'PUT'; bytes: number };
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
  ];
}

/** An address of this machine that is not loopback. */
export const findOwnAddress = (): string | undefined =>
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

type Place = { address: string; scheme: 'http' | 'https' };

async function measureOver(bench: Bench, place: Place): Promise<Row[]> {
  const gateways = await startGateways(bench, place);
  const over = place.scheme === 'https' ? ', HTTPS' : '';
  try {
    await warm(bench, gateways);
    const small = { method: 'GET', bytes: KIB } as const;
    const rows = [
      ...(await measureLoad(bench, gateways, {
        name: `GET 1 KiB × 1${over}`,
        request: small,
        connections: 1,
      })),
      ...(await measureLoad(bench, gateways, {
        name: `GET 1 KiB × 16${over}`,
        request: small,
        connections: 16,
        leastPerSecond: place.scheme === 'https' ? 2 * PEER.httpsGets : PEER.gets,
      })),
    ];
    if (place.scheme === 'https') return rows;
    const idle = await readMemory(gateways.ours.sidecar.pid);
    const get = { method: 'GET', bytes: MIB } as const;
    const put = { method: 'PUT', bytes: MIB } as const;
    const large = { method: 'PUT', bytes: 16 * MIB } as const;
    return [
      ...rows,
      ...(await measureLoad(bench, gateways, {
        name: 'GET 1 MiB × 8',
        request: get,
        connections: 8,
      })),
      ...(await measureLoad(bench, gateways, {
        name: 'PUT 1 MiB × 1',
        request: put,
        connections: 1,
        leastPerSecond: 2 * PEER.puts1,
        mostCpu: 0.45 * PEER.put1Cpu,
      })),
      ...(await measureLoad(bench, gateways, {
        name: 'PUT 1 MiB × 8',
        request: put,
        connections: 8,
        leastPerSecond: 1.5 * PEER.puts8,
        mostCpu: 0.45 * PEER.put8Cpu,
      })),
      ...(await measureLoad(bench, gateways, {
        name: 'PUT 16 MiB × 8',
        request: large,
        connections: 8,
      })),
      buildMemoryRow('gateway, private memory after small calls', idle, 50),
      toRow({
        name: 'gateway, peak resident memory',
        unit: 'MB',
        values: [readPeakMegabytes(gateways.ours.sidecar.pid) ?? NaN],
        baselines: gateways.bare ? [readPeakMegabytes(gateways.bare.pid) ?? NaN] : [],
        goal: { of: 'value', must: 'be at most', number: Math.round(0.2 * PEER.peakMegabytes) },
      }),
    ];
  } finally {
    await gateways.stop();
  }
}

const buildMemoryRow = (name: string, value: number, most: number): Row =>
  toRow({
    name,
    unit: 'MB',
    values: [value],
    goal: { of: 'value', must: 'be at most', number: most },
  });

async function readMemory(pid: number): Promise<number> {
  await pause(SETTLE_MS);
  return readPrivateMegabytes(pid) ?? NaN;
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

/** The compiler has seen both paths, and more than a thousand calls have been made. */
async function warm(bench: Bench, { ours, bare }: Gateways): Promise<void> {
  for (const request of [
    { method: 'GET', bytes: KIB },
    { method: 'PUT', bytes: MIB },
  ] as const) {
    for (const server of [ours, bare]) {
      if (server !== undefined)
        await runLoad(bench, { server, keys: ours.keys }, { request, connections: 4 });
    }
  }
}

type LoadOptions = { request: Request; connections: number };
type RowOptions = LoadOptions & { name: string; leastPerSecond?: number; mostCpu?: number };

const toGoal = (must: Goal['must'], number: number | undefined): Goal | undefined =>
  number === undefined ? undefined : { of: 'value', must, number: Math.round(number) };

async function measureLoad(
  bench: Bench,
  { ours, bare }: Gateways,
  { name, leastPerSecond, mostCpu, ...load }: RowOptions,
): Promise<Row[]> {
  const run = (server: Server) => () => runLoad(bench, { server, keys: ours.keys }, load);
  const measured = await alternate(bench.repeats, run(ours), bare && run(bare));
  const row = (what: string, unit: string, read: (report: Measured) => number, goal?: Goal): Row =>
    toRow({
      name: `gateway, ${name}${what}`,
      unit,
      values: measured.ours.map(read),
      baselines: measured.theirs.map(read),
      ...(goal && { goal }),
    });
  const perSecond = ({ requests, seconds }: LoadReport): number => requests / seconds;
  return [
    row('', 'requests per second', perSecond, toGoal('be at least', leastPerSecond)),
    row(
      ', CPU',
      'µs per request',
      ({ perCoreSecond }) => 1e6 / perCoreSecond,
      toGoal('be at most', mostCpu),
    ),
    row(', p50', 'ms', ({ p50Ms }) => p50Ms),
  ];
}

async function runLoad(
  bench: Bench,
  { server, keys }: { server: Server; keys: Keys },
  { request, connections }: LoadOptions,
): Promise<Measured> {
  const bytes = await buildSignedRequest(request, {
    host: server.target.slice('tcp:'.length),
    keys,
  });
  await expectServed(server, bytes);
  return loadServer(bench, server, { request: bytes, connections, seconds: bench.seconds });
}

/** The request as an SDK signs it, as it goes over the wire. */
async function buildSignedRequest(
  { method, bytes }: Request,
  { host, keys }: { host: string; keys: Keys },
): Promise<Buffer> {
  const body = Buffer.alloc(method === 'PUT' ? bytes : 0);
  const path = `/acme-data/reports/${bytes}`;
  const headers = await signRequest({ method, path, body }, { host, keys });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = method === 'PUT' ? `content-length: ${bytes}\r\n` : '';
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}${length}\r\n`),
    body,
  ]);
}

/** The headers of a request of S3 as an SDK signs it: with the SHA-256 of its body. */
export async function signRequest(
  { method, path, body }: { method: string; path: string; body: Buffer },
  { host, keys }: { host: string; keys: Keys },
): Promise<Readonly<Record<string, string>>> {
  const signer = new SignatureV4({
    service: 's3',
    region: 'eu-central-1',
    uriEscapePath: false,
    sha256: Sha256,
    credentials: {
      accessKeyId: keys.AccessKeyId,
      secretAccessKey: keys.SecretAccessKey,
      sessionToken: keys.Token,
    },
  });
  const hash = createHash('sha256').update(body).digest('hex');
  const { headers } = await signer.sign({
    method,
    protocol: 'http:',
    hostname: host,
    path,
    headers: { host, 'x-amz-content-sha256': hash },
  });
  return headers;
}

async function startGateways(bench: Bench, place: Place): Promise<Gateways> {
  const objects = await startObjects(bench, place);
  const sts = await startFakeSts();
  const ours = await startOurs(bench, { objects, stsUrl: sts.url });
  const bare = await startBare(bench, objects.url);
  return {
    ours,
    bare,
    stop: async () => {
      await Promise.all([ours.sidecar.stop(), bare.stop(), objects.stop(), sts.stop()]);
    },
  };
}

type Objects = MeasuredProgram & { url: string; caBundle?: string };

async function startObjects(bench: Bench, { address, scheme }: Place): Promise<Objects> {
  const [port = 0] = await findFreePorts(1);
  const listen = `${address}:${port}`;
  const url = `${scheme}://${listen}`;
  const command = getBaseline(bench);
  if (scheme === 'http') {
    const plain = { command, args: ['objects', listen], env: {}, core: 'load' } as const;
    const program = startProgram(plain);
    await waitUntilAnswered({ host: address, port, path: '/acme-data/1' });
    return { ...program, url };
  }
  const folder = await writeCertificates(bench, [address]);
  const files = ['tls.crt', 'tls.key'].map((file) => join(folder, file));
  const program = startProgram({
    command,
    args: ['objects', listen, ...files],
    env: {},
    core: 'load',
  });
  return { ...program, url, caBundle: readFileSync(join(folder, 'ca.crt'), 'utf8') };
}

async function startOurs(
  bench: Bench,
  { objects, stsUrl }: { objects: Objects; stsUrl: string },
): Promise<GatewayProcess> {
  const { url, caBundle } = objects;
  const trust = createClusterTrust(stsUrl, {
    endpoints: [{ service: 's3', url }],
    ...(caBundle !== undefined && { caBundle }),
  });
  const sidecar = await startSidecar(bench, trust);
  const credentials = await waitUntilAnswered({
    socketPath: sidecar.socket,
    path: '/v1/credentials',
  });
  const target = `tcp:127.0.0.1:${sidecar.gatewayPort}`;
  return { pid: sidecar.pid, target, sidecar, keys: JSON.parse(credentials) as Keys };
}

async function startBare(bench: Bench, upstream: string): Promise<MeasuredProgram & Server> {
  const [port = 0] = await findFreePorts(1);
  const program = startProgram({
    command: getBaseline(bench),
    args: ['gateway', `127.0.0.1:${port}`, upstream],
    env: { GOMAXPROCS: '1' },
    core: 'server',
  });
  await waitUntilAnswered({ port, path: '/acme-data/1' });
  return { ...program, target: `tcp:127.0.0.1:${port}` };
}

function getBaseline({ baseline }: Bench): string {
  if (baseline === undefined) throw new Error('expected the bare Go program, got none');
  return baseline;
}
