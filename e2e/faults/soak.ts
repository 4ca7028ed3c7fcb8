import { readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { createToken } from '../../bench/authority-cluster.ts';
import type { Bench } from '../../bench/bench.ts';
import { readPrivateMegabytes } from '../../bench/measured-processes.ts';
import { computeMedian, round } from '../../test/kit/statistics.ts';
import { startCredentialLoad, summarizeLoad } from './credential-load.ts';
import type { FaultFigure, FaultMeasurement } from './fault-results.ts';
import { tryRun, withPlatform, type PlatformUnderFault } from './platform-under-fault.ts';
import { finishSignedLoad } from './recorded-load.ts';
import { startSignedLoad } from './signed-load.ts';

const PER_SECOND = 50;
/** Runs are renewed some hundred times in half an hour. */
const LIFETIME_SECONDS = 30;
const RUN_EVERY_MS = 4_000;
/** The kubelet replaces a token of 600 s at 80 % of its lifetime. */
const TOKEN_EVERY_MS = 240_000;
const SAMPLES = 120;
const MIN_SAMPLE_MS = 500;
/** What counts as flat: the median of the last quarter over that of the second one. */
export const FLAT_RATIO = 1.1;
/** Compiled code and caches settle at first, so small absolute growth is none; the more in less than a minute. */
const FLAT_MEGABYTES = 5;
const FLAT_SHORT_MEGABYTES = 15;
/** Connections of the load that are open at one moment. */
const FLAT_HANDLES = 20;

export type SoakSample = {
  readonly megabytes: number;
  readonly handles: number;
};

const readSample = (pid: number): SoakSample => ({
  megabytes: readPrivateMegabytes(pid) ?? NaN,
  handles: readdirSync(`/proc/${pid}/fd`).length,
});

export type Growth = { readonly before: number; readonly after: number; readonly isFlat: boolean };

/** Compares the last quarter of the values with the second one: the first one is the warm-up. */
export const computeGrowth = (values: readonly number[], allowance: number): Growth => {
  const quarter = Math.max(1, Math.floor(values.length / 4));
  const before = computeMedian(values.slice(quarter, 2 * quarter));
  const after = computeMedian(values.slice(-quarter));
  const isFlat = after <= before * FLAT_RATIO || after - before <= allowance;
  return { before: round(before), after: round(after), isFlat };
};

const toFigures = (
  program: string,
  samples: readonly SoakSample[],
  allowedMegabytes: number,
): FaultFigure[] => {
  const memory = computeGrowth(
    samples.map(({ megabytes }) => megabytes),
    allowedMegabytes,
  );
  const handles = computeGrowth(
    samples.map((sample) => sample.handles),
    FLAT_HANDLES,
  );
  if (!memory.isFlat || !handles.isFlat) {
    throw new Error(
      `${program}: expected flat memory and handles, got ${memory.before} to ${memory.after} MB and ${handles.before} to ${handles.after} handles`,
    );
  }
  return [
    { name: `private memory of the ${program}, second quarter`, value: memory.before, unit: 'MB' },
    { name: `private memory of the ${program}, last quarter`, value: memory.after, unit: 'MB' },
    { name: `open handles of the ${program}, second quarter`, value: handles.before, unit: '' },
    { name: `open handles of the ${program}, last quarter`, value: handles.after, unit: '' },
  ];
};

/**
 * Requests credentials and calls the cloud, both at 50 per second, renews runs every half minute and starts
 * further ones, for so long.
 *
 * @throws Error if memory or handles of a program grow
 */
export const soak = (bench: Bench, minutes: number): Promise<FaultMeasurement> =>
  withPlatform(bench, { lifetimeSeconds: LIFETIME_SECONDS }, async (platform) => {
    const { sidecar, authority, sts } = platform;
    const endsAt = performance.now() + minutes * 60_000;
    const load = startCredentialLoad({ socket: sidecar.socket, perSecond: PER_SECOND });
    const signed = await startSignedLoad(platform, { name: 'call', perSecond: PER_SECOND });
    const samples: { sidecar: SoakSample; authority: SoakSample }[] = [];
    const everyMs = Math.max(MIN_SAMPLE_MS, (minutes * 60_000) / SAMPLES);
    const stopRuns = startRuns(platform);
    while (performance.now() < endsAt) {
      await pause(everyMs);
      samples.push({ sidecar: readSample(sidecar.pid), authority: readSample(authority.pid) });
    }
    const runs = await stopRuns();
    const allowedMegabytes = minutes < 1 ? FLAT_SHORT_MEGABYTES : FLAT_MEGABYTES;
    const answers = await load.stop();
    const { calls } = await finishSignedLoad(signed, platform);
    bench.progress(JSON.stringify(samples.at(-1)));
    return {
      load: summarizeLoad(answers),
      calls,
      recoverySeconds: 0,
      figures: [
        { name: 'duration', value: minutes, unit: 'minutes' },
        { name: 'explicit runs that started', value: runs.started, unit: '' },
        { name: 'explicit runs that were refused', value: runs.refused, unit: '' },
        { name: 'exchanges at STS', value: sts.calls(), unit: '' },
        ...toFigures(
          'sidecar',
          samples.map((sample) => sample.sidecar),
          allowedMegabytes,
        ),
        ...toFigures(
          'authority',
          samples.map((sample) => sample.authority),
          allowedMegabytes,
        ),
      ],
    };
  });

/** Starts and completes runs, and replaces the token as the kubelet does, until it is stopped. */
const startRuns = ({ sidecar, authority }: PlatformUnderFault) => {
  const stopping = new AbortController();
  const counts = { started: 0, refused: 0 };
  let tokenAt = performance.now();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const { status } = await tryRun(sidecar);
      if (status === 201) counts.started += 1;
      else counts.refused += 1;
      if (performance.now() - tokenAt > TOKEN_EVERY_MS) {
        tokenAt = performance.now();
        writeFileSync(sidecar.tokenFile, await createToken(authority.cluster, 'agent-0'));
      }
      await pause(RUN_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const running = run();
  return async () => {
    stopping.abort();
    await running;
    return counts;
  };
};
