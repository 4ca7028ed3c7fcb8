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
} from './platform-under-fault.ts';

const PER_SECOND = 50;

/** Kills the sidecar at random times, and starts it again at once, as the kubelet does the first time. */
export const killSidecar = (bench: Bench, { isShort }: FaultOptions): Promise<FaultMeasurement> =>
  withPlatform(bench, { lifetimeSeconds: 60 }, async ({ sidecar, sts }) => {
    const kills = isShort ? 1 : 5;
    const load = startCredentialLoad({ socket: sidecar.socket, perSecond: PER_SECOND });
    const killedAt: number[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      await pause(500 + Math.random() * 3_000);
      killedAt.push(Date.now());
      await sidecar.kill();
      await sidecar.start();
      const since = killedAt.at(-1) ?? 0;
      await waitFor('credentials after the kill', () =>
        Number.isFinite(findRecoverySeconds(load.answers(), since)),
      );
    }
    const answers = await load.stop();
    const recoveries = killedAt.map((at) => findRecoverySeconds(answers, at));
    return {
      load: summarizeLoad(answers),
      recoverySeconds: Math.max(...recoveries),
      figures: [
        { name: 'kills', value: kills, unit: '' },
        { name: 'shortest recovery', value: Math.min(...recoveries), unit: 's' },
        { name: 'exchanges at STS', value: sts.calls(), unit: '' },
      ],
    };
  });

/** Kills the only replica of the authority, and starts it again after `downMs`. */
const killOnlyAuthority = (
  bench: Bench,
  { lifetimeSeconds, downMs }: { lifetimeSeconds: number; downMs: number },
): Promise<FaultMeasurement> =>
  withPlatform(bench, { lifetimeSeconds }, async ({ sidecar, authority }) => {
    const load = startCredentialLoad({ socket: sidecar.socket, perSecond: PER_SECOND });
    await authority.kill();
    const killedAt = Date.now();
    expectStatus(await tryRun(sidecar), 503);
    await pause(Math.max(0, downMs - (Date.now() - killedAt)));
    const startedAt = Date.now();
    await authority.start();
    const readyAt = Date.now();
    const recoverySeconds = await measureFirstRun(sidecar, startedAt);
    return {
      load: summarizeLoad(await load.stop()),
      recoverySeconds,
      figures: [
        { name: 'no replica was ready for', value: (readyAt - killedAt) / 1000, unit: 's' },
        { name: 'lifetime of the run', value: lifetimeSeconds, unit: 's' },
      ],
    };
  });

/** An outage that is shorter than what is left of each run. */
export const killAuthority = (bench: Bench, { isShort }: FaultOptions): Promise<FaultMeasurement> =>
  killOnlyAuthority(bench, { lifetimeSeconds: 600, downMs: isShort ? 0 : 20_000 });

/** An outage that outlasts the run. */
export const killAuthorityForLong = (bench: Bench): Promise<FaultMeasurement> =>
  killOnlyAuthority(bench, { lifetimeSeconds: 20, downMs: 40_000 });
