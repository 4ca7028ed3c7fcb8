import { DECLARATION_NUMBER_PLACEHOLDER } from './admission-review.ts';
import { ADMISSION_REQUEST, expectPatch } from './admission-throughput.ts';
import { createPod } from './authority-cluster.ts';
import { buildExchangeRequest, startAuthority } from './authority-process.ts';
import type { Bench } from './bench.ts';
import { CREDENTIALS_PATH, CREDENTIALS_REQUEST } from './credential-serving.ts';
import { startFakeSts } from './fake-sts.ts';
import { buildMemoryRow } from './footprint.ts';
import { loadServer, type Load, type Server } from './load.ts';
import { readPrivateMegabytes, waitUntilAnswered } from './measured-processes.ts';
import type { Row } from './rows.ts';
import { createClusterTrust, startSidecar } from './sidecar-process.ts';
import { startWebhook, writeCertificates } from './webhook-process.ts';

/** A goal is for a minute; a quick run only shows that it can be measured. */
const MINUTE_SECONDS = 60;

type MemoryPlan = { readonly name: string; readonly most: number };
type Request = Pick<Load, 'request' | 'connections' | 'vary'>;

/** Private memory of each program after a minute of as many requests as one core answers. */
export async function measureLoadedMemory(bench: Bench): Promise<Row[]> {
  return [await measureWebhook(bench), await measureAuthority(bench), await measureSidecar(bench)];
}

async function measureWebhook(bench: Bench): Promise<Row> {
  const webhook = await startWebhook(bench, await writeCertificates(bench));
  try {
    await expectPatch(webhook);
    // Each declaration is new: what the caches keep is at its bound then.
    const vary = DECLARATION_NUMBER_PLACEHOLDER;
    const load = { request: ADMISSION_REQUEST, connections: 8, vary };
    return await measureAfterLoad(bench, webhook, { load, name: 'webhook', most: 150 });
  } finally {
    await webhook.stop();
  }
}

async function measureAuthority(bench: Bench): Promise<Row> {
  const sts = await startFakeSts();
  const authority = await startAuthority(bench, sts);
  try {
    const request = buildExchangeRequest(await createPod(authority.cluster, 'agent-0'));
    const load = { request, connections: 16 };
    return await measureAfterLoad(bench, authority, { load, name: 'authority', most: 200 });
  } finally {
    await Promise.all([authority.stop(), sts.stop()]);
  }
}

async function measureSidecar(bench: Bench): Promise<Row> {
  const sts = await startFakeSts();
  const sidecar = await startSidecar(bench, createClusterTrust(sts.url));
  try {
    await waitUntilAnswered({ socketPath: sidecar.socket, path: CREDENTIALS_PATH });
    const server = { pid: sidecar.pid, target: `unix:${sidecar.socket}` };
    const load = { request: CREDENTIALS_REQUEST, connections: 16 };
    return await measureAfterLoad(bench, server, { load, name: 'sidecar', most: 24 });
  } finally {
    await Promise.all([sidecar.stop(), sts.stop()]);
  }
}

async function measureAfterLoad(
  bench: Bench,
  server: Server,
  { load, name, most }: MemoryPlan & { readonly load: Request },
): Promise<Row> {
  // More than one repeat: not a quick run.
  const seconds = bench.repeats > 1 ? MINUTE_SECONDS : bench.seconds;
  await loadServer(bench, server, { ...load, seconds });
  const memory = readPrivateMegabytes(server.pid);
  const values = memory === undefined ? [] : [memory];
  return buildMemoryRow(`private memory after a minute of load, ${name}`, [values], most);
}
