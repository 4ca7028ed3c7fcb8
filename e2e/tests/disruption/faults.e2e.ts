import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CONSUMER_VOLUME_PREFIX } from '../../../lib/contract/names.ts';
import { SOCKET_FILE_NAME } from '../../../lib/contract/paths.ts';
import { UnrecoverableError, waitFor } from '../../../test/kit/retry.ts';
import { serviceAddress, waitForApiServer } from '../../cluster/control-plane.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import { suspendProgram } from '../../cluster/processes.ts';
import { startFaultRecord } from '../../faults/cluster-faults.ts';
import {
  startCredentialLoad,
  summarizeLoad,
  type HttpAnswer,
  type LoadFigures,
} from '../../faults/credential-load.ts';
import { tryRun, waitForCredentials } from '../../faults/platform-under-fault.ts';
import { getAuthorityAddress } from '../authority/authority-requests.ts';
import { blockTraffic, readPodUid } from '../node-access.ts';
import { cloud, createNamespace, readReports, runPod, testContext } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';

const { node } = testContext;
if (node === undefined)
  throw new Error('expected a cluster on this machine: its processes are stopped');

const PER_SECOND = 50;
/** How long each fault lasts, at least. */
const FAULT_MS = 30_000;
/** Each run makes two requests to the authority, and the rate limit of a pod is two per second. */
const RUN_EVERY_MS = 1_200;

const place: PodRef = { namespace: '', pod: 'agent' };
let folder: string;
let socket: string;

beforeAll(async () => {
  place.namespace = await createNamespace('faults');
  await runPod({
    ...{ name: place.pod, namespace: place.namespace },
    tasks: { summarize: { ...readReports, lifetime: '10m' } },
  });
  const volumes = join(node.podsFolder, await readPodUid(place), 'volumes');
  // Paths of Unix sockets are short.
  folder = mkdtempSync(join(tmpdir(), 'valetkey-faults-'));
  const mount = join(folder, 'mount');
  symlinkSync(join(volumes, 'kubernetes.io~empty-dir', `${CONSUMER_VOLUME_PREFIX}0`), mount);
  socket = join(mount, SOCKET_FILE_NAME);
  await waitForCredentials({ socket });
});

afterAll(() => rmSync(folder, { recursive: true }));

type Start = HttpAnswer & { readonly endedAt: number };
type Seen = {
  readonly load: LoadFigures;
  /** Each run that was requested until one started after the fault. */
  readonly starts: readonly Start[];
  /** From the end of the fault until that run. */
  readonly recoverySeconds: number;
};

/**
 * Requests credentials and starts runs while `fault` takes place, and until a run starts after it.
 *
 * @param fault returns when it ended, in milliseconds since the epoch
 */
const measureDuring = async (fault: () => Promise<number>): Promise<Seen> => {
  const load = startCredentialLoad({ socket, perSecond: PER_SECOND });
  const starts: Start[] = [];
  let endedAt = Infinity;
  const start = async (): Promise<number | false> => {
    const answer = await tryRun({ socket });
    const at = Date.now();
    starts.push({ ...answer, endedAt: at });
    return answer.status === 201 && at > endedAt && at;
  };
  const stopping = new AbortController();
  const startRuns = () =>
    waitFor(
      'a run after the fault',
      () => {
        if (stopping.signal.aborted) throw new UnrecoverableError('the fault failed');
        return start();
      },
      { timeoutMs: 300_000, intervalMs: RUN_EVERY_MS },
    );
  const starting = startRuns();
  starting.catch(() => undefined);
  try {
    endedAt = await fault();
  } catch (error) {
    stopping.abort();
    throw error;
  }
  const first = await starting;
  return {
    load: summarizeLoad(await load.stop()),
    starts,
    recoverySeconds: (first - endedAt) / 1000,
  };
};

/** What a user saw of runs: nothing else than a run, or a request to repeat it. */
const describeStarts = (starts: readonly Start[]) => {
  const started = starts.filter(({ status }) => status === 201);
  const later = starts.filter(({ status }) => status === 429 || status === 503);
  expect(later.filter(({ retryAfterMs }) => retryAfterMs === undefined)).toEqual([]);
  expect(starts).toHaveLength(started.length + later.length);
  return [
    { name: 'runs that were requested until one started', value: starts.length, unit: '' },
    { name: '… that started', value: started.length, unit: '' },
    { name: '… that got 503 with Retry-After', value: later.length, unit: '' },
  ];
};

/** Credentials that are current are served, whatever happens to the authority. */
const expectServed = (load: LoadFigures): void => {
  expect(load.requests).toBeGreaterThan((PER_SECOND * FAULT_MS) / 4_000);
  expect(load).toMatchObject({ refused: 0, lost: 0, servedAfterEnd: 0 });
};

/** Programs in pods reach the API server here, once kube-proxy has noticed that it is back. */
const waitForServiceAddress = async (): Promise<number> => {
  const server = `https://${serviceAddress}`;
  await waitFor(
    'an answer of the API server at its Service address',
    async () => {
      const probe = ['get', '--raw', '/readyz', '--server', server];
      const { stdout } = await runKubectl(node, probe, { timeoutMs: 5_000 });
      return stdout === 'ok';
    },
    { timeoutMs: 180_000, intervalMs: 500 },
  );
  return Date.now();
};

describe(`a fault of the cluster (${cloud.name})`, () => {
  it('that stops the only API server delays new runs, and no credentials', async () => {
    const record = startFaultRecord(testContext, 'api-server-restarted');
    let outageSeconds = 0;
    let routedAfterMs: Promise<number> = Promise.resolve(0);
    const { load, starts, recoverySeconds } = await measureDuring(async () => {
      const from = Date.now();
      const startApiServer = await suspendProgram(node, 'kube-apiserver');
      await pause(Math.max(0, FAULT_MS - (Date.now() - from)));
      await waitForApiServer(node, startApiServer(), { timeoutMs: 180_000 });
      const to = Date.now();
      outageSeconds = (to - from) / 1000;
      routedAfterMs = waitForServiceAddress().then((at) => at - to);
      return to;
    });
    expectServed(load);
    const outage = { name: 'the API server was away for', value: outageSeconds, unit: 's' };
    const name = '… and answered at its Service address after another';
    const routed = { name, value: (await routedAfterMs) / 1000, unit: 's' };
    record({ load, recoverySeconds, figures: [outage, routed, ...describeStarts(starts)] });
  });

  it('that cuts a pod off from the authority delays its new runs, and no credentials', async () => {
    const record = startFaultRecord(testContext, 'network-cut');
    let outageSeconds = 0;
    const { load, starts, recoverySeconds } = await measureDuring(async () => {
      const unblock = await blockTraffic(node, place, await getAuthorityAddress());
      const from = Date.now();
      await pause(FAULT_MS).finally(unblock);
      const to = Date.now();
      outageSeconds = (to - from) / 1000;
      return to;
    });
    expectServed(load);
    const outage = { name: 'the pod was cut off for', value: outageSeconds, unit: 's' };
    record({ load, recoverySeconds, figures: [outage, ...describeStarts(starts)] });
  });
});
