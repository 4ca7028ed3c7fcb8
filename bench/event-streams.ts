import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { API_GROUP, API_VERSION, REVOCATIONS } from '../lib/contract/authority-api.ts';
import { createPod } from './authority-cluster.ts';
import { startAuthority, createAuthorityTrust } from './authority-process.ts';
import type { AuthorityProcess } from './authority-process.ts';
import type { Bench } from './bench.ts';
import type { ReceivedUpdate, StreamClientsInput } from './event-stream-clients.ts';
import {
  getEpochMs,
  sendGet,
  pinToCore,
  readPrivateMegabytes,
  waitUntilAnswered,
} from './measured-processes.ts';
import { toRow } from './rows.ts';
import type { Row } from './rows.ts';
import { startSidecar } from './sidecar-process.ts';
import { computePercentile } from '../test/kit/statistics.ts';
import { startFakeSts } from './fake-sts.ts';

const STREAMS = 1_000;
const SETTLE_MS = 3_000;
const UPDATE_TIMEOUT_MS = 60_000;
/** Each stream is a handshake and a verification. */
const CONNECT_TIMEOUT_MS = 400_000;
/** A sidecar remembers a refusal for five seconds. */
const REFUSED_MS = 6_000;
const COLLECTION = `/apis/${API_GROUP}/${API_VERSION}/${REVOCATIONS}`;
const CREDENTIALS_TARGET = { path: '/v1/credentials' } as const;

/** Memory of 1,000 event streams at the authority, and how soon a revocation reaches all of them. */
export async function measureStreams(bench: Bench): Promise<Row[]> {
  const sts = await startFakeSts();
  const authority = await startAuthority(bench, sts);
  const sidecar = await startSidecar(bench, await createAuthorityTrust(authority, 'sidecar'));
  const held = { ...CREDENTIALS_TARGET, socketPath: sidecar.socket };
  try {
    await waitUntilAnswered(held);
    await pause(SETTLE_MS);
    const before = readPrivateMegabytes(authority.pid) ?? NaN;
    const streams = await startEventStreams(authority, bench);
    await pause(SETTLE_MS);
    const after = readPrivateMegabytes(authority.pid) ?? NaN;
    const rounds: RevocationTiming[] = [];
    for (let round = 0; round < Math.min(bench.repeats, 3); round += 1) {
      await waitUntilAnswered(held);
      rounds.push(await measureRevocation(authority, streams, held));
    }
    streams.stop();
    const goal = { of: 'value', must: 'be at most', number: 1_000 } as const;
    const p99 = rounds.map(({ receivedMs }) => computePercentile(receivedMs, 0.99));
    const refused = rounds.map(({ refusedMs }) => refusedMs);
    const each = ((after - before) * 1000) / STREAMS;
    const name = `revocation to event on ${STREAMS} streams, 99th percentile`;
    return [
      toRow({ name, unit: 'ms', values: p99, goal }),
      toRow({ name: '… and to a refusal by a sidecar', unit: 'ms', values: refused, goal }),
      toRow({ name: 'authority memory for each stream', unit: 'kB', values: [each] }),
    ];
  } finally {
    await sidecar.stop();
    await authority.stop();
    await sts.stop();
  }
}

type EventStreams = {
  /** Milliseconds since the epoch, of each stream's first event since `since` with so many active. */
  readonly waitForUpdates: (
    active: number,
    since: number,
    withinMs?: number,
  ) => Promise<readonly number[]>;
  readonly stop: () => void;
};

/** Opens them in one process on the load's core, each for a pod of its own. */
async function startEventStreams(
  { cluster, endpoint, roots }: AuthorityProcess,
  bench: Bench,
): Promise<EventStreams> {
  const names = Array.from({ length: STREAMS }, (_, index) => `listener-${index}`);
  const tokens = await Promise.all(names.map((name) => createPod(cluster, name)));
  const listening: StreamClientsInput = { endpoint, roots: roots(), tokens };
  const [command, args] = pinToCore(
    process.execPath,
    [join(import.meta.dirname, 'event-stream-clients.ts')],
    'load',
  );
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(listening));
  const latest = new Map<number, ReceivedUpdate>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const update = JSON.parse(line) as ReceivedUpdate;
    latest.set(update.stream, update);
  });
  const waitForUpdates: EventStreams['waitForUpdates'] = async (
    active,
    since,
    withinMs = UPDATE_TIMEOUT_MS,
  ) => {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const all = [...latest.values()].filter((each) => each.active === active && each.at >= since);
      if (all.length === STREAMS) return all.map(({ at }) => at);
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`streams: expected an event on ${STREAMS}, got one on ${all.length}`);
      }
      await pause(20);
    }
  };
  bench.progress(`opening ${STREAMS} streams`);
  await waitForUpdates(0, 0, CONNECT_TIMEOUT_MS);
  return { waitForUpdates, stop: () => child.kill() };
}

type RevocationTiming = { readonly receivedMs: readonly number[]; readonly refusedMs: number };

/** Revokes a namespace, and lifts it again. */
async function measureRevocation(
  { cluster }: AuthorityProcess,
  streams: EventStreams,
  held: typeof CREDENTIALS_TARGET & { readonly socketPath: string },
): Promise<RevocationTiming> {
  const path = `${COLLECTION}/bench`;
  const spec = { namespace: 'live', reason: 'a measurement', by: 'bench' };
  const revokedAt = getEpochMs();
  cluster.objects.create(path, { spec });
  const refusing = waitUntilRefused(held);
  const receivedAt = await streams.waitForUpdates(1, revokedAt);
  const refusedAt = await refusing;
  const liftedAt = getEpochMs();
  cluster.objects.remove(path);
  await streams.waitForUpdates(0, liftedAt);
  await pause(REFUSED_MS);
  return { receivedMs: receivedAt.map((at) => at - revokedAt), refusedMs: refusedAt - revokedAt };
}

/** Asks all the time; when the first answer came that was not 200. */
async function waitUntilRefused(
  held: typeof CREDENTIALS_TARGET & { readonly socketPath: string },
): Promise<number> {
  for (;;) {
    const { status } = await sendGet(held);
    if (status === 403) return getEpochMs();
    if (status !== 200) throw new Error(`the sidecar: expected 403, got ${status}`);
    await pause(1);
  }
}
