import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findFreePorts } from '../test/kit/free-ports.ts';
import type { Bench } from './bench.ts';
import { startFakeSts } from './fake-sts.ts';
import type { Server } from './load.ts';
import {
  readPrivateMegabytes,
  startProgram,
  waitUntilAnswered,
  type MeasuredProgram,
} from './measured-processes.ts';
import {
  createClusterTrust,
  startSidecar,
  type SidecarProcess,
  type SidecarTrust,
} from './sidecar-process.ts';
import type { Keys } from './signed-calls.ts';
import { writeCertificates } from './webhook-process.ts';

/** Memory settles: pages are given back, timers have run. */
const SETTLE_MS = 1000;

/** Where the objects are: an address of this machine, because the gateway refuses loopback as a cloud. */
export type Place = { address: string; scheme: 'http' | 'https' };

/** Our gateway and the bare Go proxy, in front of the same objects. */
export type Gateways = { ours: GatewayProcess; bare: Server; stop: () => Promise<void> };

export type GatewayProcess = Server & {
  keys: Keys;
  sidecar: SidecarProcess;
  /** Whom it trusts, to start further ones. */
  trust: SidecarTrust;
  /** Private memory before its first call. */
  idleMegabytes: number;
};

export async function startGateways(bench: Bench, place: Place): Promise<Gateways> {
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

/** Private memory in megabytes, once it has settled. */
export async function readSettledMegabytes(pid: number): Promise<number> {
  await pause(SETTLE_MS);
  return readPrivateMegabytes(pid) ?? NaN;
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
  const idleMegabytes = await readSettledMegabytes(sidecar.pid);
  const credentials = await waitUntilAnswered({
    socketPath: sidecar.socket,
    path: '/v1/credentials',
  });
  const target = `tcp:127.0.0.1:${sidecar.gatewayPort}`;
  const keys = JSON.parse(credentials) as Keys;
  return { pid: sidecar.pid, target, sidecar, trust, keys, idleMegabytes };
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
