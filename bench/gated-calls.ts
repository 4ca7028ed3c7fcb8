import { CALLS_PATH, type GatedCall } from '../lib/contract/authority-api.ts';
import { createConnection } from '../lib/edge/authority/connection.ts';
import { createPod, putCallPolicy, SIGNED_TASKS } from './authority-cluster.ts';
import {
  buildFormRequest,
  startAuthority,
  startGatedRun,
  type AuthorityProcess,
} from './authority-process.ts';
import type { Bench } from './bench.ts';
import { startFakeSts } from './fake-sts.ts';
import { waitFor } from '../test/kit/retry.ts';
import { alternate, loadServer, type Server } from './load.ts';
import { toRow, type Row } from './rows.ts';
import { startBareAuthority } from './run-issuance.ts';

/** Gateways ask over connections of their own; what they cost to open is not measured here. */
const CONNECTIONS = 16;
const RATE = 100;

const CALL: GatedCall = {
  operation: 's3:PutObject',
  permissions: [{ action: 's3:PutObject', resource: 'arn:aws:s3:::acme-data/reports/draft' }],
  bytes: 1_000,
  arguments: {},
  content: {
    sha256: '0'.repeat(64),
    fields: [{ name: 'x-amz-storage-class', value: 'STANDARD' }],
  },
};

/**
 * What a call costs the authority that a gate asks about and that policy allows, beside a bare Go program that
 * verifies the ticket alone.
 */
export async function measureGatedCalls(bench: Bench): Promise<Row[]> {
  const sts = await startFakeSts();
  const ours = await startAuthority(bench, sts);
  const bare = await startBareAuthority(bench, sts);
  try {
    putCallPolicy(ours.cluster);
    const request = await buildCallRequest(ours);
    const load = { request, connections: CONNECTIONS, seconds: bench.seconds };
    const measureCpu = (server: Server) => async () =>
      1000 / (await loadServer(bench, server, load)).perCoreSecond;
    const measureP99 = (server: Server) => async () =>
      (await loadServer(bench, server, { ...load, rate: RATE })).p99Ms;
    for (let warm = 0; warm < bench.repeats; warm += 1) {
      await measureCpu(ours)();
      if (bare !== undefined) await measureCpu(bare)();
    }
    const cpu = await alternate(bench.repeats, measureCpu(ours), bare && measureCpu(bare));
    const p99 = await alternate(bench.repeats, measureP99(ours), bare && measureP99(bare));
    return [
      toRow({
        name: 'gated call, CPU of the authority',
        unit: 'ms',
        values: cpu.ours,
        baselines: cpu.theirs,
        goal: { of: 'value', must: 'be at most', number: 1 },
      }),
      toRow({
        name: `gated call, 99th percentile at ${RATE} per second`,
        unit: 'ms',
        values: p99.ours,
        baselines: p99.theirs,
        goal: { of: 'value', must: 'be at most', number: 30 },
      }),
    ];
  } finally {
    await Promise.all([ours.stop(), bare?.stop(), sts.stop()]);
  }
}

const buildCallRequest = async (authority: AuthorityProcess): Promise<string> => {
  const { cluster, endpoint, roots } = authority;
  const token = await createPod(cluster, 'agent-0', { admitted: SIGNED_TASKS });
  const connection = createConnection({ endpoint, roots: roots() });
  try {
    // The authority sees the policy a moment after it was made.
    const { ticket } = await waitFor('a run with gates', () => startGatedRun(connection, token));
    const fields = { subject_token: token, ticket, call: JSON.stringify(CALL), attempt: 'one' };
    return buildFormRequest(CALLS_PATH, new URLSearchParams(fields));
  } finally {
    connection.closeIdle();
  }
};
