import type { Bench } from './bench.ts';
import { alternate, loadServer } from './load.ts';
import { postJson } from './measured-processes.ts';
import { buildReview, DECLARATION_NUMBER_PLACEHOLDER } from './admission-review.ts';
import { toRow } from './rows.ts';
import type { Row } from './rows.ts';
import { startBareWebhook, startWebhook, writeCertificates } from './webhook-process.ts';
import type { WebhookProcess } from './webhook-process.ts';

/** An API server keeps a few connections to a webhook. */
const CONNECTIONS = 8;
/** A busy cluster's creations of annotated pods, by far: latency is of interest below saturation. */
const STEADY_RATE = 100;

/** How fast an 8 KB review of an annotated pod is admitted and patched over HTTPS. */
export async function measureAdmission(bench: Bench): Promise<Row[]> {
  const certificates = await writeCertificates(bench);
  const ours = await startWebhook(bench, certificates);
  const bare = await startBareWebhook(bench, certificates);
  try {
    for (const each of [ours, bare]) if (each !== undefined) await expectPatch(each);
    return [
      ...(await measureRates(bench, ours, bare)),
      ...(await measureLatencies(bench, ours, bare)),
    ];
  } finally {
    await Promise.all([ours.stop(), bare?.stop()]);
  }
}

async function measureRates(
  bench: Bench,
  ours: WebhookProcess,
  bare: WebhookProcess | undefined,
): Promise<Row[]> {
  const alike = { request: ADMISSION_REQUEST, connections: CONNECTIONS, seconds: bench.seconds };
  const unlike = { ...alike, vary: DECLARATION_NUMBER_PLACEHOLDER };
  const measure = async (load: typeof alike) => {
    const run = (webhook: WebhookProcess) => async () =>
      (await loadServer(bench, webhook, load)).perCoreSecond;
    const measured = await alternate(bench.repeats, run(ours), bare && run(bare));
    return { values: measured.ours, baselines: measured.theirs };
  };
  // Warm: the compiler has seen the path, and both have run as long.
  for (let run = 0; run < bench.repeats; run += 1) {
    for (const each of [ours, bare]) if (each !== undefined) await loadServer(bench, each, unlike);
  }
  const unit = 'requests per core-second';
  return [
    toRow({
      name: 'admission of an 8 KB review',
      unit,
      ...(await measure(alike)),
      goal: { of: 'ratio', must: 'be at least', number: 0.62 },
    }),
    toRow({
      name: 'the same, its declaration new each time',
      unit,
      ...(await measure(unlike)),
      goal: { of: 'ratio', must: 'be at least', number: 0.45 },
    }),
  ];
}

async function measureLatencies(
  bench: Bench,
  ours: WebhookProcess,
  bare: WebhookProcess | undefined,
): Promise<Row[]> {
  const load = {
    request: ADMISSION_REQUEST,
    connections: CONNECTIONS,
    seconds: bench.seconds,
    rate: STEADY_RATE,
  };
  const run = (webhook: WebhookProcess) => () => loadServer(bench, webhook, load);
  const measured = await alternate(bench.repeats, run(ours), bare && run(bare));
  const at = `at ${STEADY_RATE} per second`;
  return [
    toRow({
      name: `admission, median ${at}`,
      unit: 'ms',
      values: measured.ours.map(({ p50Ms }) => p50Ms),
      baselines: measured.theirs.map(({ p50Ms }) => p50Ms),
    }),
    toRow({
      name: `admission, 99th percentile ${at}`,
      unit: 'ms',
      values: measured.ours.map(({ p99Ms }) => p99Ms),
      baselines: measured.theirs.map(({ p99Ms }) => p99Ms),
      goal: { of: 'ratio', must: 'be at most', number: 1.3 },
    }),
  ];
}

/** A refusal would be quick: what is measured must be a patch. */
export async function expectPatch({ target }: WebhookProcess): Promise<void> {
  const port = Number(target.split(':').at(-1));
  const { status, body } = await postJson(port, review);
  const { response } = JSON.parse(body) as { response?: { allowed: boolean; patch?: string } };
  if (status === 200 && response?.allowed === true && response.patch !== undefined) return;
  throw new Error(`${target}: expected a patch, got ${status}: ${body.slice(0, 500)}`);
}

const review = buildReview();
/** One admission over HTTP/1.1. */
export const ADMISSION_REQUEST = [
  'POST /mutate?timeout=5s HTTP/1.1',
  'Host: valetkey-webhook.valetkey.svc',
  'Content-Type: application/json',
  'Accept: application/json, */*',
  `Content-Length: ${Buffer.byteLength(review)}`,
  '',
  review,
].join('\r\n');
