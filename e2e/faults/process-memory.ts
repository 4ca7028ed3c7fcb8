import { setTimeout as pause } from 'node:timers/promises';
import { expectPatch } from '../../bench/admission-throughput.ts';
import type { Bench } from '../../bench/bench.ts';
import { startWebhook, writeCertificates } from '../../bench/webhook-process.ts';
import { waitFor } from '../../test/kit/retry.ts';
import { round } from '../../test/kit/statistics.ts';
import {
  findRecoverySeconds,
  startCredentialLoad,
  startLoad,
  summarizeLoad,
  type RunningLoad,
} from './credential-load.ts';
import type { FaultFigure, FaultMeasurement } from './fault-results.ts';
import { createMemoryGroup, MEBIBYTE, type MemoryGroup } from './memory-group.ts';
import { tryRun, withPlatform, type PlatformUnderFault } from './platform-under-fault.ts';
import { finishSignedLoad, listRuns } from './recorded-load.ts';
import { CALLS_PER_SECOND, startSignedLoad } from './signed-load.ts';

/** The limits of the chart, MiB. */
const LIMITS = { sidecar: 128, authority: 512, webhook: 512 } as const;
type ProgramName = keyof typeof LIMITS;

/** What it uses under load. */
const LOADED_MS = 5_000;
const RUNS_PER_SECOND = 1;
const REVIEWS_PER_SECOND = 20;

type Killable = { readonly kill: () => Promise<void>; readonly start: () => Promise<void> };

/**
 * Lowers the memory limit of each program to what it uses at that moment, so that the kernel kills it at its next
 * allocation; it starts again, as the kubelet starts it, with the limit of the chart.
 */
export const exhaustMemory = async (bench: Bench): Promise<FaultMeasurement> => {
  const platform = await withGroup('sidecar', (sidecar) =>
    withGroup('authority', (authority) => exhaustPlatform(bench, { sidecar, authority })),
  );
  const webhook = await withGroup('webhook', (group) => exhaustWebhook(bench, group));
  return {
    ...platform,
    recoverySeconds: Math.max(platform.recoverySeconds, webhook.recoverySeconds),
    figures: [...platform.figures, ...webhook.figures],
  };
};

const withGroup = async <T>(
  name: ProgramName,
  use: (group: MemoryGroup) => Promise<T>,
): Promise<T> => {
  const group = createMemoryGroup(name, LIMITS[name] * MEBIBYTE);
  return use(group).finally(group.remove);
};

type Groups = Readonly<Record<'sidecar' | 'authority', MemoryGroup>>;

const exhaustPlatform = (bench: Bench, groups: Groups) => {
  const wraps = {
    wrapSidecar: groups.sidecar.wrap,
    authority: { wrap: groups.authority.wrap },
  };
  return withPlatform(bench, { lifetimeSeconds: 60, ...wraps }, async (platform) => {
    const { sidecar, authority, journal } = platform;
    const requests = startCredentialLoad({ socket: sidecar.socket, perSecond: 50 });
    const signed = await startSignedLoad(platform, { name: 'call', perSecond: CALLS_PER_SECOND });
    const sidecarKill = await exhaust('sidecar', groups.sidecar, sidecar);
    const lostRuns = listRuns(journal);
    const ofSidecar = await recover(sidecarKill, sidecar, [requests, signed]);
    const runs = startRunLoad(platform);
    const authorityKill = await exhaust('authority', groups.authority, authority);
    const ofAuthority = await recover(authorityKill, authority, [runs]);
    const newRuns = await summarizeWithout(runs, 'new runs');
    const load = summarizeLoad(await requests.stop());
    const { calls } = await finishSignedLoad(signed, platform, lostRuns);
    return {
      load,
      calls,
      recoverySeconds: Math.max(ofSidecar.recoverySeconds, ofAuthority.recoverySeconds),
      figures: [...ofSidecar.figures, ...ofAuthority.figures, ...newRuns],
    };
  });
};

const startRunLoad = ({ sidecar }: PlatformUnderFault): RunningLoad =>
  startLoad(
    async () => {
      const { status, retryAfterMs } = await tryRun(sidecar);
      return { status: status === 201 ? 200 : status, retryAfterMs };
    },
    { perSecond: RUNS_PER_SECOND },
  );

const exhaustWebhook = async (bench: Bench, group: MemoryGroup) => {
  const webhook = await startWebhook(bench, await writeCertificates(bench), group.wrap);
  try {
    const reviews = startLoad(
      async () => {
        const status = await expectPatch(webhook).then(
          () => 200,
          () => 0,
        );
        return { status, retryAfterMs: undefined };
      },
      { perSecond: REVIEWS_PER_SECOND },
    );
    const kill = await exhaust('webhook', group, webhook);
    const { recoverySeconds, figures } = await recover(kill, webhook, [reviews]);
    return {
      recoverySeconds,
      figures: [...figures, ...(await summarizeWithout(reviews, 'admissions of pods'))],
    };
  } finally {
    await webhook.stop();
  }
};

/** @throws Error if requests were lost */
const summarizeWithout = async (
  load: RunningLoad,
  name: string,
): Promise<readonly FaultFigure[]> => {
  const { requests, refused, lost } = summarizeLoad(await load.stop());
  if (lost > 0) throw new Error(`expected no lost ${name}, got ${lost} of ${requests}`);
  return [
    { name, value: requests, unit: '' },
    { name: `… that failed at the first attempt`, value: refused, unit: '' },
  ];
};

type Kill = { readonly name: ProgramName; readonly limit: number; readonly at: number };

/** Lowers the limit of a program under load until the kernel kills it, and sets that of the chart again. */
const exhaust = async (name: ProgramName, group: MemoryGroup, program: Killable): Promise<Kill> => {
  await pause(LOADED_MS);
  const limit = await waitForKill(name, group);
  const at = Date.now();
  group.setLimit(LIMITS[name] * MEBIBYTE);
  // The kernel has killed it; this waits until its end is noticed.
  await program.kill();
  return { name, limit, at };
};

/** Starts a program again, and waits until each load succeeds. */
const recover = async (
  { name, limit, at }: Kill,
  program: Killable,
  loads: readonly RunningLoad[],
) => {
  await program.start();
  const readRecoveries = (): readonly number[] =>
    loads.map((load) => findRecoverySeconds(load.answers(), at));
  await waitFor(`answers of the ${name} after the kill`, () =>
    readRecoveries().every(Number.isFinite),
  );
  const recoverySeconds = Math.max(...readRecoveries());
  const mebibytes = round(limit / MEBIBYTE);
  return {
    recoverySeconds,
    figures: [
      { name: `${name}: limit at which it was killed`, value: mebibytes, unit: 'MiB' },
      { name: `${name}: recovery`, value: recoverySeconds, unit: 's' },
    ],
  };
};

/** @returns the last limit */
const waitForKill = async (name: ProgramName, group: MemoryGroup): Promise<number> => {
  let limit = NaN;
  await waitFor(
    `the kernel to kill the ${name}`,
    () => {
      if (group.countKills() > 0) return true;
      const used = group.readUsage();
      // Caches can be taken away, what the program has allocated cannot.
      const accepted = [used - MEBIBYTE, used].find((bytes) => group.setLimit(bytes));
      if (accepted !== undefined) limit = accepted;
      return false;
    },
    { intervalMs: 20 },
  );
  return limit;
};
