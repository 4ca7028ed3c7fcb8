import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../../bench/bench.ts';
import { startCredentialLoad, summarizeLoad } from './credential-load.ts';
import type { FaultFigure, FaultMeasurement } from './fault-results.ts';
import type { StsBehavior } from './faulty-sts.ts';
import {
  expectStatus,
  measureFirstRun,
  tryRun,
  withPlatform,
  type FaultOptions,
  type RunFault,
} from './platform-under-fault.ts';

/** How long STS misbehaves, each time. */
const FAULT_MS = 10_000;
const SHORT_MS = 100;

/** Credentials that have ended look as if a clock was wrong, which no repeat mends. */
const STATUS: Partial<Record<StsBehavior, number>> = { expired: 403 };

/**
 * STS misbehaves in each of these ways in turn: a current run is served, a new one is answered with 503, and
 * starts once STS works again.
 */
const breakSts =
  (behaviors: readonly StsBehavior[]): RunFault =>
  (bench: Bench, { isShort }: FaultOptions): Promise<FaultMeasurement> =>
    withPlatform(bench, { lifetimeSeconds: 600 }, async ({ sidecar, sts }) => {
      const load = startCredentialLoad({ socket: sidecar.socket, perSecond: 50 });
      const figures: FaultFigure[] = [];
      const recoveries: number[] = [];
      for (const behavior of behaviors) {
        sts.set(behavior);
        const before = sts.calls();
        const brokenAt = Date.now();
        const answer = await tryRun(sidecar);
        const answeredSeconds = (Date.now() - brokenAt) / 1000;
        expectStatus(answer, STATUS[behavior] ?? 503);
        if (answer.status === 503 && answer.retryAfterMs === undefined)
          throw new Error(`${behavior}: expected Retry-After, got none`);
        await pause(Math.max(0, (isShort ? SHORT_MS : FAULT_MS) - (Date.now() - brokenAt)));
        const calls = sts.calls() - before;
        const mendedAt = Date.now();
        sts.set('working');
        recoveries.push(await measureFirstRun(sidecar, mendedAt));
        figures.push(
          {
            name: `${behavior}: a new run gets ${answer.status} after`,
            value: answeredSeconds,
            unit: 's',
          },
          { name: `${behavior}: requests to STS`, value: calls, unit: '' },
          {
            name: `${behavior}: first new run after the end of the fault`,
            value: recoveries.at(-1) ?? NaN,
            unit: 's',
          },
        );
      }
      return {
        load: summarizeLoad(await load.stop()),
        recoverySeconds: Math.max(...recoveries),
        figures,
      };
    });

export const slowSts = breakSts(['slow', 'hanging']);
export const failingSts = breakSts(['failing']);
export const throttlingSts = breakSts(['throttling']);
export const garbageFromSts = breakSts(['garbage', 'truncated', 'expired']);
