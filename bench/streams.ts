import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { API_GROUP, API_VERSION, REVOCATIONS } from '../lib/contract/authority.ts';
import { createPod } from './authority-cluster.ts';
import { startAuthority, trustInAuthority } from './authority.ts';
import type { Authority } from './authority.ts';
import type { Bench } from './bench.ts';
import type { Heard, Listening } from './listeners.ts';
import { ask, pinned, privateMegabytes, untilAnswered } from './processes.ts';
import { toRow } from './rows.ts';
import type { Row } from './rows.ts';
import { startSidecar } from './sidecar.ts';
import { percentile } from './statistics.ts';
import { startSts } from './sts.ts';

const STREAMS = 1_000;
const SETTLE_MS = 3_000;
const GIVE_UP_MS = 60_000;
/** Each stream is a handshake and a verification. */
const OPENING_MS = 400_000;
/** A sidecar remembers a refusal for five seconds. */
const REFUSED_MS = 6_000;
const COLLECTION = `/apis/${API_GROUP}/${API_VERSION}/${REVOCATIONS}`;
const HELD = { path: '/v1/credentials' } as const;

/** What a thousand streams cost the authority, and how soon a revocation is heard on all of them. */
export async function measureStreams(bench: Bench): Promise<Row[]> {
  const sts = await startSts();
  const authority = await startAuthority(bench, sts);
  const sidecar = await startSidecar(bench, await trustInAuthority(authority, 'sidecar'));
  const held = { ...HELD, socketPath: sidecar.socket };
  try {
    await untilAnswered(held);
    await pause(SETTLE_MS);
    const before = privateMegabytes(authority.pid) ?? NaN;
    const streams = await openStreams(authority, bench);
    await pause(SETTLE_MS);
    const after = privateMegabytes(authority.pid) ?? NaN;
    const rounds: Round[] = [];
    for (let round = 0; round < Math.min(bench.repeats, 3); round += 1) {
      await untilAnswered(held);
      rounds.push(await revoke(authority, streams, held));
    }
    streams.stop();
    const goal = { of: 'value', must: 'be at most', number: 1_000 } as const;
    const p99 = rounds.map(({ heardMs }) => percentile(heardMs, 0.99));
    const refused = rounds.map(({ refusedMs }) => refusedMs);
    const each = ((after - before) * 1000) / STREAMS;
    const name = `revocation to word on ${STREAMS} streams, 99th percentile`;
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

type Streams = {
  /** Milliseconds since the epoch, of each stream's first word since `since` with so many active. */
  readonly heard: (active: number, since: number, withinMs?: number) => Promise<readonly number[]>;
  readonly stop: () => void;
};

/** Opens them in one process on the load's core, each for a pod of its own. */
async function openStreams(
  { cluster, endpoint, roots }: Authority,
  bench: Bench,
): Promise<Streams> {
  const names = Array.from({ length: STREAMS }, (_, index) => `listener-${index}`);
  const tokens = await Promise.all(names.map((name) => createPod(cluster, name)));
  const listening: Listening = { endpoint, roots: roots(), tokens };
  const [command, args] = pinned(
    process.execPath,
    [join(import.meta.dirname, 'listeners.ts')],
    'load',
  );
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(listening));
  const latest = new Map<number, Heard>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const heard = JSON.parse(line) as Heard;
    latest.set(heard.stream, heard);
  });
  const heard: Streams['heard'] = async (active, since, withinMs = GIVE_UP_MS) => {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const all = [...latest.values()].filter((each) => each.active === active && each.at >= since);
      if (all.length === STREAMS) return all.map(({ at }) => at);
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`streams: expected word on ${STREAMS}, got it on ${all.length}`);
      }
      await pause(20);
    }
  };
  bench.progress(`opening ${STREAMS} streams`);
  await heard(0, 0, OPENING_MS);
  return { heard, stop: () => child.kill() };
}

type Round = { readonly heardMs: readonly number[]; readonly refusedMs: number };

/** Revokes a namespace, and lifts it again. */
async function revoke(
  { cluster }: Authority,
  streams: Streams,
  held: typeof HELD & { readonly socketPath: string },
): Promise<Round> {
  const path = `${COLLECTION}/bench`;
  const spec = { namespace: 'live', reason: 'a measurement', by: 'bench' };
  const revokedAt = now();
  cluster.objects.create(path, { spec });
  const refusing = untilRefused(held);
  const heardAt = await streams.heard(1, revokedAt);
  const refusedAt = await refusing;
  const liftedAt = now();
  cluster.objects.remove(path);
  await streams.heard(0, liftedAt);
  await pause(REFUSED_MS);
  return { heardMs: heardAt.map((at) => at - revokedAt), refusedMs: refusedAt - revokedAt };
}

/** Asks all the time; when the first answer came that was not 200. */
async function untilRefused(held: typeof HELD & { readonly socketPath: string }): Promise<number> {
  for (;;) {
    const { status } = await ask(held);
    if (status === 403) return now();
    if (status !== 200) throw new Error(`the sidecar: expected 403, got ${status}`);
    await pause(1);
  }
}

const now = (): number => performance.timeOrigin + performance.now();
