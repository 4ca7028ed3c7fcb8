import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { alternate, loadServer } from './load.ts';
import { sendGet, startProgram, waitUntilAnswered } from './measured-processes.ts';
import type { MeasuredProgram } from './measured-processes.ts';
import { toRow } from './rows.ts';
import type { Row } from './rows.ts';
import { startSidecar, createClusterTrust } from './sidecar-process.ts';
import { startFakeSts } from './fake-sts.ts';

export const CREDENTIALS_PATH = '/v1/credentials';
/** One request for held credentials over HTTP/1.1. */
export const CREDENTIALS_REQUEST = `GET ${CREDENTIALS_PATH} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n`;
/** An agent's SDKs hold a few connections. */
const CONNECTIONS = 16;

/** How fast credentials that are held are served over the unix socket. */
export async function measureCredentialServing(bench: Bench): Promise<Row[]> {
  const sts = await startFakeSts();
  const sidecar = await startSidecar(bench, createClusterTrust(sts.url));
  const bare = await startBareSidecar(bench);
  try {
    await waitUntilAnswered({ socketPath: sidecar.socket, path: CREDENTIALS_PATH });
    const load = { request: CREDENTIALS_REQUEST, connections: CONNECTIONS, seconds: bench.seconds };
    const run = (pid: number, socket: string) => () =>
      loadServer(bench, { pid, target: `unix:${socket}` }, load);
    const ours = run(sidecar.pid, sidecar.socket);
    const theirs = bare && run(bare.pid, bare.socket);
    // Warm: the compiler has seen the path.
    await ours();
    const measured = await alternate(bench.repeats, ours, theirs);
    return [
      toRow({
        name: 'held credentials over the unix socket',
        unit: 'requests per core-second',
        values: measured.ours.map(({ perCoreSecond }) => perCoreSecond),
        baselines: measured.theirs.map(({ perCoreSecond }) => perCoreSecond),
        goal: { of: 'ratio', must: 'be at least', number: 0.55 },
      }),
      toRow({
        name: 'held credentials, 99th percentile',
        unit: 'ms',
        values: measured.ours.map(({ p99Ms }) => p99Ms),
        baselines: measured.theirs.map(({ p99Ms }) => p99Ms),
      }),
    ];
  } finally {
    await Promise.all([sidecar.stop(), bare?.stop(), sts.stop()]);
  }
}

/** The bare Go program that serves held credentials. */
export async function startBareSidecar(
  bench: Bench,
): Promise<(MeasuredProgram & { socket: string; readyMs: number }) | undefined> {
  if (bench.baseline === undefined) return undefined;
  const socket = join(bench.folder, `bare-${process.hrtime.bigint()}.sock`);
  const startedAt = performance.now();
  const program = startProgram({
    command: bench.baseline,
    args: ['sidecar', socket],
    env: { GOMAXPROCS: '1' },
    core: 'server',
  });
  await waitUntilAnswered({ socketPath: socket, path: CREDENTIALS_PATH });
  return { ...program, socket, readyMs: performance.now() - startedAt };
}

/** 200 callers at once, none served before, on both listeners: how often STS is called. */
export async function measureSingleExchange(bench: Bench): Promise<Row[]> {
  const sts = await startFakeSts({ delayMs: 300 });
  const sidecar = await startSidecar(bench, createClusterTrust(sts.url));
  try {
    const { host, port } = sidecar.loopback;
    const overLoopback = {
      port,
      path: CREDENTIALS_PATH,
      headers: { host: `${host}:${port}`, authorization: sidecar.readToken() },
    };
    const overSocket = { socketPath: sidecar.socket, path: CREDENTIALS_PATH };
    const targets = [overLoopback, overSocket].flatMap((each) =>
      Array<typeof each>(100).fill(each),
    );
    const answers = await Promise.all(targets.map((target) => sendGet(target)));
    const failed = answers.filter(({ status }) => status !== 200);
    if (failed[0] !== undefined) {
      const { status, body } = failed[0];
      throw new Error(
        `expected 200 answers of 200, got ${failed.length} others: ${status} ${body}`,
      );
    }
    const goal = { of: 'value', must: 'equal', number: 1 } as const;
    const name = 'STS calls for 200 concurrent requests';
    return [toRow({ name, unit: 'calls', values: [sts.calls()], goal })];
  } finally {
    await Promise.all([sidecar.stop(), sts.stop()]);
  }
}
