import { setTimeout as pause } from 'node:timers/promises';
import { startAuthority, createAuthorityTrust } from './authority-process.ts';
import type { Bench } from './bench.ts';
import { startBareSidecar } from './credential-serving.ts';
import { alternate } from './load.ts';
import { readPrivateMegabytes, waitUntilAnswered } from './measured-processes.ts';
import { toRow } from './rows.ts';
import type { Row } from './rows.ts';
import { startSidecar, createClusterTrust } from './sidecar-process.ts';
import { startFakeSts } from './fake-sts.ts';

/** Memory settles after a start: pages are given back, timers have run. */
const SETTLE_MS = 1000;
const COPIES = 4;

type StartedCopy = { pid: number; stop: () => Promise<void>; socket: string; readyMs: number };

/** How long a sidecar takes from the start of its process to ready. */
export async function measureStart(bench: Bench): Promise<Row[]> {
  const sts = await startFakeSts();
  const once = async (start: () => Promise<StartedCopy | undefined>): Promise<number> => {
    const started = await start();
    await started?.stop();
    return started?.readyMs ?? 0;
  };
  const ours = (): Promise<number> => once(() => startSidecar(bench, createClusterTrust(sts.url)));
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
  const sts = await startFakeSts();
  const ours = await startCopies(() => startSidecar(bench, createClusterTrust(sts.url)));
  const theirs = await startCopies(() => startBareSidecar(bench));
  try {
    await pause(SETTLE_MS);
    const before = [computeMemoryPerCopy(ours), computeMemoryPerCopy(theirs)] as const;
    const all = [...ours, ...theirs];
    await Promise.all(
      all.map(({ socket }) => waitUntilAnswered({ socketPath: socket, path: '/v1/credentials' })),
    );
    await pause(SETTLE_MS);
    const after = [computeMemoryPerCopy(ours), computeMemoryPerCopy(theirs)] as const;
    return [
      buildMemoryRow('private memory of a further sidecar', before, 18),
      buildMemoryRow('the same once the STS client is loaded', after, 26),
    ];
  } finally {
    await Promise.all([...ours, ...theirs].map(({ stop }) => stop()));
    await sts.stop();
  }
}

/** The same under `trust: authority`: with an open event stream and one started run. */
export async function measureMemoryUnderAuthority(bench: Bench): Promise<Row[]> {
  const sts = await startFakeSts();
  const authority = await startAuthority(bench, sts);
  let pods = 0;
  const start = async (): Promise<StartedCopy> =>
    startSidecar(bench, await createAuthorityTrust(authority, `agent-${(pods += 1)}`));
  const sidecars = await startCopies(start);
  try {
    for (const { socket } of sidecars) {
      await waitUntilAnswered({ socketPath: socket, path: '/v1/credentials' });
    }
    await pause(SETTLE_MS);
    const values = computeMemoryPerCopy(sidecars);
    return [buildMemoryRow('private memory of a further sidecar, trust: authority', [values], 18)];
  } finally {
    await Promise.all(sidecars.map(({ stop }) => stop()));
    await authority.stop();
    await sts.stop();
  }
}

async function startCopies(start: () => Promise<StartedCopy | undefined>): Promise<StartedCopy[]> {
  const copies: StartedCopy[] = [];
  for (let copy = 0; copy < COPIES; copy += 1) {
    const started = await start();
    if (started !== undefined) copies.push(started);
  }
  return copies;
}

const computeMemoryPerCopy = (copies: readonly StartedCopy[]): number[] =>
  copies.slice(1).flatMap(({ pid }) => readPrivateMegabytes(pid) ?? []);

/** A row of private memory, in megabytes, with the most that it may be. */
export function buildMemoryRow(
  name: string,
  [values, baselines]: readonly [number[], number[]?],
  most: number,
): Row {
  if (values.length === 0) throw new Error(`${name}: expected /proc/PID/smaps_rollup, got none`);
  const goal = { of: 'value', must: 'be at most', number: most } as const;
  return toRow({ name, unit: 'MB', values, ...(baselines && { baselines }), goal });
}
