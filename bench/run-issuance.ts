import { join } from 'node:path';
import { createPod } from './authority-cluster.ts';
import { buildExchangeRequest, startAuthority } from './authority-process.ts';
import type { Bench } from './bench.ts';
import { alternate, loadServer } from './load.ts';
import type { Server } from './load.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { startProgram } from './measured-processes.ts';
import type { MeasuredProgram } from './measured-processes.ts';
import { toRow } from './rows.ts';
import type { Row } from './rows.ts';
import { startFakeSts } from './fake-sts.ts';
import type { FakeSts } from './fake-sts.ts';
import { writeCertificates } from './webhook-process.ts';

/** Sidecars ask over connections of their own; what they cost to open is not measured here. */
const CONNECTIONS = 16;

/** Runs that the authority issues: verification, policy, audit record, exchange. */
export async function measureRunIssuance(bench: Bench): Promise<Row[]> {
  const sts = await startFakeSts();
  const ours = await startAuthority(bench, sts);
  const bare = await startBareAuthority(bench, sts);
  try {
    const request = buildExchangeRequest(await createPod(ours.cluster, 'agent-0'));
    const load = { request, connections: CONNECTIONS, seconds: bench.seconds };
    const run = (server: Server) => async () =>
      (await loadServer(bench, server, load)).perCoreSecond;
    for (let warm = 0; warm < bench.repeats; warm += 1) {
      await run(ours)();
      if (bare !== undefined) await run(bare)();
    }
    const measured = await alternate(bench.repeats, run(ours), bare && run(bare));
    return [
      toRow({
        name: 'runs issued',
        unit: 'runs per core-second',
        values: measured.ours,
        baselines: measured.theirs,
        goal: { of: 'value', must: 'be at least', number: 600 },
      }),
    ];
  } finally {
    await Promise.all([ours.stop(), bare?.stop(), sts.stop()]);
  }
}

/**
 * The bare Go authority. For a run it reads the form, signs a grant, asks STS and answers; for a gated call it reads
 * the form, verifies the ticket's HMAC, decodes both and answers.
 */
export async function startBareAuthority(
  bench: Bench,
  sts: FakeSts,
): Promise<(MeasuredProgram & Server) | undefined> {
  if (bench.baseline === undefined) return undefined;
  const certificates = await writeCertificates(bench);
  const [port = 0] = await findFreePorts(1);
  const address = `127.0.0.1:${port}`;
  const files = ['tls.crt', 'tls.key'].map((file) => join(certificates, file));
  const program = startProgram({
    command: bench.baseline,
    args: ['authority', address, ...files, sts.url],
    env: { GOMAXPROCS: '1' },
    core: 'server',
  });
  return { ...program, target: `tls:${address}` };
}
