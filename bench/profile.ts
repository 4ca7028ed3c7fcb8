/**
 * Profiles one of our programs under a load of the benchmark and prints its CPU time by module:
 * `node bench/profile.ts --help`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { findOwnAddress } from '../test/kit/own-address.ts';
import { DECLARATION_NUMBER_PLACEHOLDER } from './admission-review.ts';
import { ADMISSION_REQUEST } from './admission-throughput.ts';
import { createPod } from './authority-cluster.ts';
import { buildExchangeRequest, startAuthority } from './authority-process.ts';
import { buildBaseline, buildPrograms, fillCompileCache, type Bench } from './bench.ts';
import { startFakeSts } from './fake-sts.ts';
import { startGateways } from './gateway-processes.ts';
import { loadServer, type Load, type Server } from './load.ts';
import { computeShares, createModuleFinder, type CpuProfile } from './profile-shares.ts';
import { createClusterTrust, startSidecar } from './sidecar-process.ts';
import { formatCall, signCall, type ObjectCall } from './signed-calls.ts';
import { startWebhook, writeCertificates } from './webhook-process.ts';

const USAGE = `node bench/profile.ts LOAD [--seconds N] [--files]

Profile a program under a load of the benchmark, and print its CPU time by module.

  LOAD         admission, declarations (new each time), issuing, calls (GET 1 KiB × 16),
               uploads (PUT 1 MiB × 8), downloads (GET 1 MiB × 8), start (of the sidecar)
  --seconds N  of the load, after as many of warm-up; default: 10
  --files      by file instead of by package`;

type Profiling = Bench & { readonly inspectPort: number };
/** Loads its program for so many seconds. */
type Run = (seconds: number) => Promise<unknown>;
type Loaded = { readonly run: Run; readonly stop: () => Promise<unknown> };

const startAdmission = async (bench: Bench, vary?: string): Promise<Loaded> => {
  const webhook = await startWebhook(bench, await writeCertificates(bench));
  const load = { request: ADMISSION_REQUEST, connections: 8, ...(vary !== undefined && { vary }) };
  return { run: createRun(bench, webhook, load), stop: webhook.stop };
};

const startIssuing = async (bench: Bench): Promise<Loaded> => {
  const sts = await startFakeSts();
  const authority = await startAuthority(bench, sts);
  const request = buildExchangeRequest(await createPod(authority.cluster, 'agent-0'));
  const run = createRun(bench, authority, { request, connections: 16 });
  return { run, stop: () => Promise.all([authority.stop(), sts.stop()]) };
};

const startCalls = async (bench: Bench, call: ObjectCall, connections: number): Promise<Loaded> => {
  const address = findOwnAddress();
  if (address === undefined) throw new Error('expected an address besides loopback, got none');
  const { ours, stop } = await startGateways(bench, { address, scheme: 'http' });
  const host = ours.target.slice('tcp:'.length);
  const request = formatCall(await signCall(call, { host, keys: ours.keys }));
  return { run: createRun(bench, ours, { request, connections }), stop };
};

const createRun =
  (bench: Bench, server: Server, load: Pick<Load, 'request' | 'connections' | 'vary'>): Run =>
  (seconds) =>
    loadServer(bench, server, { ...load, seconds });

const MIB = 1024 * 1024;
const LOADS: Readonly<Record<string, (bench: Bench) => Promise<Loaded>>> = {
  admission: startAdmission,
  declarations: (bench) => startAdmission(bench, DECLARATION_NUMBER_PLACEHOLDER),
  issuing: startIssuing,
  calls: (bench) => startCalls(bench, { method: 'GET', bytes: 1024 }, 16),
  uploads: (bench) => startCalls(bench, { method: 'PUT', bytes: MIB }, 8),
  downloads: (bench) => startCalls(bench, { method: 'GET', bytes: MIB }, 8),
};

/** Profiles the load alone, without the start of the program and its warm-up. */
const profileLoad = async (
  bench: Profiling,
  start: (bench: Bench) => Promise<Loaded>,
  seconds: number,
): Promise<readonly CpuProfile[]> => {
  const nodeFlags = [`--inspect=127.0.0.1:${bench.inspectPort}`];
  const { run, stop } = await start({ ...bench, nodeFlags });
  try {
    await run(seconds);
    const session = await connectSession(bench.inspectPort);
    await session.send('Profiler.enable');
    await session.send('Profiler.start');
    await run(seconds);
    const { profile } = (await session.send('Profiler.stop')) as { profile: CpuProfile };
    session.close();
    return [profile];
  } finally {
    await stop();
  }
};

/** A session of the Chrome DevTools Protocol. */
const connectSession = async (port: number) => {
  const answer = await fetch(`http://127.0.0.1:${port}/json`);
  const [target] = (await answer.json()) as { webSocketDebuggerUrl: string }[];
  if (target === undefined) throw new Error('expected a program to inspect, got none');
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  const waiting = new Map<number, (result: unknown) => void>();
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (id !== undefined) waiting.get(id)?.(result);
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  let last = 0;
  const send = (method: string): Promise<unknown> =>
    new Promise((resolve) => {
      last += 1;
      waiting.set(last, resolve);
      socket.send(JSON.stringify({ id: last, method }));
    });
  return { send, close: () => socket.close() };
};

const STARTS = 20;

/** Profiles whole processes, which end as soon as they are ready. */
const profileStart = async (bench: Bench): Promise<readonly CpuProfile[]> => {
  const sts = await startFakeSts();
  const folder = join(bench.folder, 'profiles');
  const nodeFlags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200'];
  for (let start = 0; start < STARTS; start += 1) {
    const { stop } = await startSidecar({ ...bench, nodeFlags }, createClusterTrust(sts.url));
    await stop();
  }
  await sts.stop();
  return readdirSync(folder).map(
    (file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile,
  );
};

const MIN_SHARE = 0.005;
const ROOT = join(import.meta.dirname, '..');

const runProfile = async (
  name: string,
  { seconds, hasFiles }: { seconds: number; hasFiles: boolean },
): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-profile-'));
  try {
    const programs = await buildPrograms(['--source-maps']);
    const baseline = await buildBaseline(folder);
    const bench = { folder, programs, baseline, repeats: 1, seconds, progress: console.error };
    await fillCompileCache(bench);
    const [inspectPort = 0] = await findFreePorts(1);
    const load = LOADS[name];
    const profiles =
      load === undefined
        ? await profileStart(bench)
        : await profileLoad({ ...bench, inspectPort }, load, seconds);
    const shares = computeShares(profiles, createModuleFinder(ROOT, { hasFiles }));
    for (const { module, share } of shares.filter((each) => each.share >= MIN_SHARE)) {
      console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${module}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    files: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});
const [name = ''] = positionals;
const seconds = Number(values.seconds);
if (values.help) console.log(USAGE);
else if (!(name in LOADS || name === 'start') || !(seconds >= 1 && seconds <= 60)) {
  console.error(USAGE);
  process.exitCode = 2;
} else await runProfile(name, { seconds, hasFiles: values.files });
