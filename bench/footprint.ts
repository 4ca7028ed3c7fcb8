import { setTimeout as pause } from 'node:timers/promises';
import { startAuthority, trustInAuthority } from './authority.ts';
import type { Bench } from './bench.ts';
import { startBareSidecar } from './held.ts';
import { alternate } from './load.ts';
import { privateMegabytes, untilAnswered } from './processes.ts';
import { toRow } from './rows.ts';
import type { Row } from './rows.ts';
import { startSidecar, trustInCluster } from './sidecar.ts';
import { startSts } from './sts.ts';

/** Memory settles after a start: pages are given back, timers have run. */
const SETTLE_MS = 1000;
const COPIES = 4;

type Started = { pid: number; stop: () => Promise<void>; socket: string; readyMs: number };

/** How long a sidecar takes from the start of its process to ready. */
export async function measureStart(bench: Bench): Promise<Row[]> {
  const sts = await startSts();
  const once = async (start: () => Promise<Started | undefined>): Promise<number> => {
    const started = await start();
    await started?.stop();
    return started?.readyMs ?? 0;
  };
  const ours = (): Promise<number> => once(() => startSidecar(bench, trustInCluster(sts.url)));
  const theirs = (): Promise<number> => once(() => startBareSidecar(bench));
  try {
    const hasBaseline = bench.baseline !== undefined;
    const measured = await alternate(3 * bench.repeats, ours, hasBaseline ? theirs : undefined);
    return [
      toRow({
        name: 'sidecar from start to ready',
        unit: 'ms',
        values: measured.ours,
        baselines: measured.theirs,
        goal: { of: 'value', must: 'be at most', number: 110 },
      }),
    ];
  } finally {
    await sts.stop();
  }
}

/** Private memory of each sidecar after the first, before and after its first exchange. */
export async function measureMemory(bench: Bench): Promise<Row[]> {
  const sts = await startSts();
  const ours = await startCopies(() => startSidecar(bench, trustInCluster(sts.url)));
  const theirs = await startCopies(() => startBareSidecar(bench));
  try {
    await pause(SETTLE_MS);
    const before = [memoryOfFurther(ours), memoryOfFurther(theirs)] as const;
    const all = [...ours, ...theirs];
    await Promise.all(
      all.map(({ socket }) => untilAnswered({ socketPath: socket, path: '/v1/credentials' })),
    );
    await pause(SETTLE_MS);
    const after = [memoryOfFurther(ours), memoryOfFurther(theirs)] as const;
    return [
      memoryRow('private memory of a further sidecar', before, 18),
      memoryRow('the same once the STS client is loaded', after, 26),
    ];
  } finally {
    await Promise.all([...ours, ...theirs].map(({ stop }) => stop()));
    await sts.stop();
  }
}

/** The same where the authority is trusted: a stream stands, and a run has been asked for. */
export async function measureMemoryUnderAuthority(bench: Bench): Promise<Row[]> {
  const sts = await startSts();
  const authority = await startAuthority(bench, sts);
  let pods = 0;
  const start = async (): Promise<Started> =>
    startSidecar(bench, await trustInAuthority(authority, `agent-${(pods += 1)}`));
  const sidecars = await startCopies(start);
  try {
    for (const { socket } of sidecars) {
      await untilAnswered({ socketPath: socket, path: '/v1/credentials' });
    }
    await pause(SETTLE_MS);
    const values = memoryOfFurther(sidecars);
    return [memoryRow('private memory of a further sidecar, trust: authority', [values], 18)];
  } finally {
    await Promise.all(sidecars.map(({ stop }) => stop()));
    await authority.stop();
    await sts.stop();
  }
}

async function startCopies(start: () => Promise<Started | undefined>): Promise<Started[]> {
  const copies: Started[] = [];
  for (let copy = 0; copy < COPIES; copy += 1) {
    const started = await start();
    if (started !== undefined) copies.push(started);
  }
  return copies;
}

const memoryOfFurther = (copies: readonly Started[]): number[] =>
  copies.slice(1).flatMap(({ pid }) => privateMegabytes(pid) ?? []);

function memoryRow(
  name: string,
  [values, baselines]: readonly [number[], number[]?],
  most: number,
): Row {
  if (values.length === 0) throw new Error(`${name}: expected /proc/PID/smaps_rollup, got none`);
  const goal = { of: 'value', must: 'be at most', number: most } as const;
  return toRow({ name, unit: 'MB', values, ...(baselines && { baselines }), goal });
}
