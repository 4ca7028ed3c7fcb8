import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createAuthorityTrust,
  startAuthority,
  type AuthorityOptions,
  type AuthorityProcess,
} from '../../bench/authority-process.ts';
import { readPodTasks } from '../../bench/authority-cluster.ts';
import type { Bench } from '../../bench/bench.ts';
import type { WrapCommand } from '../../bench/measured-processes.ts';
import { startSidecar, type SidecarProcess } from '../../bench/sidecar-process.ts';
import type { AdmittedTasks } from '../../lib/contract/task.ts';
import { waitFor } from '../../test/kit/retry.ts';
import { callSidecar, type HttpAnswer } from './credential-load.ts';
import type { FaultMeasurement } from './fault-results.ts';
import { startFaultySts, type FaultySts } from './faulty-sts.ts';
import { startReceivingCloud, type ReceivingCloud } from './receiving-cloud.ts';

/** The programs as they are built, an API server in memory, and an STS that can be made to fail. */
export type PlatformUnderFault = {
  readonly bench: Bench;
  readonly sts: FaultySts;
  readonly cloud: ReceivingCloud;
  readonly authority: AuthorityProcess;
  readonly sidecar: SidecarProcess;
  /** Where the container of the signed tasks asks. */
  readonly signingSocket: string;
  /** What the sidecar wrote to its standard output, over all its starts. */
  readonly journal: string;
  /** The files of the authority's records. */
  readonly auditFolder: string;
};

export type FaultOptions = {
  /** Only as long as it takes to see that it runs. */
  readonly isShort: boolean;
  /** Duration of the soak. */
  readonly minutes?: number;
};

/** Applies a fault and measures it. @throws Error if something else happens than the page says */
export type RunFault = (bench: Bench, options: FaultOptions) => Promise<FaultMeasurement>;

export type PlatformOptions = {
  readonly lifetimeSeconds?: number;
  readonly authority?: Omit<AuthorityOptions, 'limits'>;
  readonly wrapSidecar?: WrapCommand;
  readonly pod?: string;
  /** Default: true. */
  readonly awaitCredentials?: boolean;
};

/** The task whose credentials the agent gets. */
export const VENDED_TASK = 'summarize';
/** The same of another container, with `delivery: sign`: all tasks of a container have one delivery. */
export const SIGNED_TASK = 'signed';
/** The same again, with runs that outlast every outage. */
export const LONG_TASK = 'signed-long';
/** The container of the signed tasks. */
const SIGNING_CONSUMER = 'helper';
const LONG_SECONDS = 600;

/** The captured pod's task, and its likes whose calls the gateway signs. */
const buildTasks = (lifetimeSeconds: number | undefined): AdmittedTasks => {
  const { consumers, tasks } = readPodTasks(lifetimeSeconds);
  const signed = { delivery: 'sign', containers: [SIGNING_CONSUMER] } as const;
  return {
    consumers,
    tasks: tasks.flatMap((task) => [
      { ...task, ...signed, name: SIGNED_TASK },
      { ...task, ...signed, name: LONG_TASK, lifetimeSeconds: LONG_SECONDS },
      { ...task, name: VENDED_TASK, containers: ['agent'] },
    ]),
  };
};

const keepPlan: WrapCommand = (plan) => plan;

/** Programs are held to a core where they are compared; here they use what the machine has. */
const unpin: WrapCommand = ({ command, args, env }) => ({ command, args, env });

/** Permits runs that end during a measurement. */
const SHORT_LIFETIMES = 'tasks:\n  accountIds: ["111122223333"]\n  minLifetime: 5s\n';

/** Starts one authority and one sidecar, passes them to `use`, and stops them whatever it does. */
export async function withPlatform<T>(
  bench: Bench,
  options: PlatformOptions,
  use: (platform: PlatformUnderFault) => Promise<T>,
): Promise<T> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const sts = await startFaultySts();
    stops.push(sts.stop);
    const cloud = await startReceivingCloud(sts.findDeadline);
    stops.push(cloud.stop);
    const folder = mkdtempSync(join(bench.folder, 'platform-'));
    const { auditFolder = join(folder, 'audit'), wrap = keepPlan } = options.authority ?? {};
    const authority = await startAuthority(bench, sts, {
      limits: 'product',
      tasks: SHORT_LIFETIMES,
      ...options.authority,
      auditFolder,
      wrap: (plan) => wrap(unpin(plan)),
    });
    stops.push(authority.stop);
    const { pod = 'agent-0', lifetimeSeconds, wrapSidecar = keepPlan } = options;
    const trust = await createAuthorityTrust(authority, pod, {
      admitted: buildTasks(lifetimeSeconds),
      gateway: { endpoints: [{ service: 's3', url: cloud.url }] },
    });
    const journal = join(folder, 'sidecar.log');
    const sidecar = await startSidecar(bench, trust, (plan) =>
      wrapSidecar({ ...unpin(plan), outputFile: journal }),
    );
    stops.push(sidecar.stop);
    if (options.awaitCredentials !== false) await waitForCredentials(sidecar);
    const signingSocket = sidecar.getSocket(SIGNING_CONSUMER);
    return await use({
      ...{ bench, sts, cloud, authority, sidecar },
      ...{ signingSocket, journal, auditFolder },
    });
  } finally {
    for (const stop of stops.toReversed()) await stop().catch(reportStop);
  }
}

/** A program that ended by itself is seen in the measurement too. */
const reportStop = (error: unknown): void => console.error(String(error));

/** Waits until the sidecar serves credentials. */
export const waitForCredentials = ({ socket }: Pick<SidecarProcess, 'socket'>): Promise<true> =>
  waitFor('credentials', async () => {
    const { status, body } = await callSidecar({ socketPath: socket, path: '/v1/credentials' });
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    return true as const;
  });

/** @throws Error with the answer if it has another status */
export const expectStatus = (answer: HttpAnswer, status: number): HttpAnswer => {
  if (answer.status === status) return answer;
  throw new Error(`expected ${status}, got ${answer.status} ${JSON.stringify(answer.body)}`);
};

/** Starts a run and completes it; the answer to the start. */
export const tryRun = async ({ socket }: Pick<SidecarProcess, 'socket'>) => {
  const target = { socketPath: socket, method: 'POST' };
  const answer = await callSidecar({ ...target, path: `/v1/tasks/${VENDED_TASK}/runs` }, {});
  const run = answer.body['run'];
  if (typeof run === 'string')
    await callSidecar({ socketPath: socket, method: 'DELETE', path: `/v1/runs/${run}` });
  return answer;
};

/** Waits until a run starts; seconds since `since` (milliseconds since the epoch). */
export const measureFirstRun = async (
  sidecar: Pick<SidecarProcess, 'socket'>,
  since: number,
): Promise<number> => {
  await waitFor(
    'a run to start',
    async () => {
      const { status, body } = await tryRun(sidecar);
      if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`);
      return true;
    },
    { timeoutMs: 150_000, intervalMs: 500 },
  );
  return (Date.now() - since) / 1000;
};

/** Runs `use` with a folder for the programs of a measurement, which is removed afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  // Paths of Unix sockets are short.
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-faults-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
