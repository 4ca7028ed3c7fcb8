import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../../bench/bench.ts';
import { waitFor } from '../../test/kit/retry.ts';
import { findRecoverySeconds, startCredentialLoad, summarizeLoad } from './credential-load.ts';
import type { FaultMeasurement } from './fault-results.ts';
import {
  expectStatus,
  measureFirstRun,
  tryRun,
  withPlatform,
  type FaultOptions,
  type PlatformUnderFault,
} from './platform-under-fault.ts';
import { REVOCATION_SECONDS, startRunToRevoke } from './revoked-run.ts';
import { finishSignedLoad, listRuns } from './recorded-load.ts';
import { CALLS_PER_SECOND, startSignedLoad } from './signed-load.ts';

const PER_SECOND = 50;

/** Kills the sidecar at random times, and starts it again at once, as the kubelet does the first time. */
export const killSidecar = (bench: Bench, { isShort }: FaultOptions): Promise<FaultMeasurement> =>
  withPlatform(bench, { lifetimeSeconds: 60 }, async (platform) => {
    const { sidecar, sts, journal } = platform;
    const kills = isShort ? 1 : 5;
    const requests = startCredentialLoad({ socket: sidecar.socket, perSecond: PER_SECOND });
    const signed = await startSignedLoad(platform, { name: 'call', perSecond: CALLS_PER_SECOND });
    const loads = [requests, signed];
    const killedAt: number[] = [];
    let lostRuns: ReadonlySet<string> = new Set();
    for (let kill = 0; kill < kills; kill += 1) {
      await pause(500 + Math.random() * 3_000);
      killedAt.push(Date.now());
      await sidecar.kill();
      lostRuns = listRuns(journal);
      await sidecar.start();
      const since = killedAt.at(-1) ?? 0;
      await waitFor('credentials and calls after the kill', () =>
        loads.every((load) => Number.isFinite(findRecoverySeconds(load.answers(), since))),
      );
    }
    const answers = await requests.stop();
    const { answers: callAnswers, calls } = await finishSignedLoad(signed, platform, lostRuns);
    const recoveries = killedAt.map((at) => findRecoverySeconds(answers, at));
    const callRecoveries = killedAt.map((at) => findRecoverySeconds(callAnswers, at));
    return {
      load: summarizeLoad(answers),
      calls,
      recoverySeconds: Math.max(...recoveries, ...callRecoveries),
      figures: [
        { name: 'kills', value: kills, unit: '' },
        { name: 'shortest recovery of credentials', value: Math.min(...recoveries), unit: 's' },
        { name: 'shortest recovery of calls', value: Math.min(...callRecoveries), unit: 's' },
        { name: 'exchanges at STS', value: sts.calls(), unit: '' },
      ],
    };
  });

type Outage = {
  readonly lifetimeSeconds: number;
  readonly downMs: number;
};

/** Kills the only replica of the authority; when, milliseconds since the epoch. */
const beginOutage = async ({ sidecar, authority }: PlatformUnderFault): Promise<number> => {
  await authority.kill();
  const killedAt = Date.now();
  expectStatus(await tryRun(sidecar), 503);
  return killedAt;
};

/** Starts the replica again when it was away for `downMs`, and waits until a run starts. */
const endOutage = async (
  { sidecar, authority }: PlatformUnderFault,
  killedAt: number,
  { lifetimeSeconds, downMs }: Outage,
) => {
  await pause(Math.max(0, downMs - (Date.now() - killedAt)));
  const startedAt = Date.now();
  await authority.start();
  const readyAt = Date.now();
  return {
    readyAt,
    recoverySeconds: await measureFirstRun(sidecar, startedAt),
    figures: [
      { name: 'no replica was ready for', value: (readyAt - killedAt) / 1000, unit: 's' },
      { name: 'lifetime of the run', value: lifetimeSeconds, unit: 's' },
    ],
  };
};

/** An outage that is shorter than what is left of each run. */
export const killAuthority = (
  bench: Bench,
  { isShort }: FaultOptions,
): Promise<FaultMeasurement> => {
  const outage = { lifetimeSeconds: 600, downMs: isShort ? 0 : 20_000 };
  return withPlatform(bench, outage, async (platform) => {
    const { socket } = platform.sidecar;
    const load = startCredentialLoad({ socket, perSecond: PER_SECOND });
    const killedAt = await beginOutage(platform);
    const { recoverySeconds, figures } = await endOutage(platform, killedAt, outage);
    return { load: summarizeLoad(await load.stop()), recoverySeconds, figures };
  });
};

/** An outage that outlasts the run; another run, which outlasts the outage, is revoked meanwhile. */
export const killAuthorityForLong = (bench: Bench): Promise<FaultMeasurement> => {
  const outage = { lifetimeSeconds: 20, downMs: 40_000 };
  return withPlatform(bench, outage, async (platform) => {
    const { socket } = platform.sidecar;
    const requests = startCredentialLoad({ socket, perSecond: PER_SECOND });
    const signed = await startSignedLoad(platform, { name: 'call', perSecond: CALLS_PER_SECOND });
    const run = await startRunToRevoke(platform, 'revoked-run');
    const killedAt = await beginOutage(platform);
    const revoked = run.revoke();
    const { readyAt, recoverySeconds, figures } = await endOutage(platform, killedAt, outage);
    const revocation = await revoked.finish(readyAt, REVOCATION_SECONDS);
    const load = summarizeLoad(await requests.stop());
    const { calls } = await finishSignedLoad(signed, platform);
    return { load, calls, recoverySeconds, figures: [...figures, ...revocation] };
  });
};
