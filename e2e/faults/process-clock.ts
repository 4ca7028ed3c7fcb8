import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../../bench/bench.ts';
import type { WrapCommand } from '../../bench/measured-processes.ts';
import { installDebianPackages } from '../cluster/debian-packages.ts';
import { startCredentialLoad, summarizeLoad, type HttpAnswer } from './credential-load.ts';
import type { FaultFigure, FaultMeasurement } from './fault-results.ts';
import { tryRun, withPlatform, type PlatformOptions } from './platform-under-fault.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const LOADER = '/lib64/ld-linux-x86-64.so.2';
const LOAD_MS = 5_000;

/** Shifts what a program reads as the time of day, not its monotonic clock: a wrong node clock. */
export const shiftClock =
  (minutes: number): WrapCommand =>
  ({ command, args, env, ...plan }) => {
    const FAKETIME = `${minutes < 0 ? '' : '+'}${minutes}m`;
    return {
      ...plan,
      // Not LD_PRELOAD: the programs refuse to start with it.
      command: LOADER,
      args: ['--preload', LIBRARY, command, ...args],
      env: { ...env, FAKETIME, FAKETIME_DONT_FAKE_MONOTONIC: '1' },
    };
  };

/** The code of a refusal, with that of the certificate that the sidecar rejected. */
const describeRefusal = ({ Code, Message }: HttpAnswer['body']): string => {
  if (typeof Code !== 'string') return 'credentials';
  const certificate = /\(CERT_\w+\)/.exec(String(Message))?.[0];
  return certificate === undefined ? Code : `${Code} ${certificate}`;
};

type ClockCase = {
  readonly name: string;
  readonly options: PlatformOptions;
};

/** Certificates are valid from five minutes before they are signed, so four minutes behind is enough to connect. */
const CASES: readonly ClockCase[] = [-10, -4, 10].flatMap((minutes) => {
  const clock = `clock ${Math.abs(minutes)} minutes ${minutes < 0 ? 'behind' : 'ahead'}`;
  return [
    { name: `agent's node, ${clock}`, options: { wrapSidecar: shiftClock(minutes) } },
    { name: `authority's node, ${clock}`, options: { authority: { wrap: shiftClock(minutes) } } },
  ];
});

/**
 * Starts one of the programs with a wrong clock: no run may start, or what is served must be valid at the true
 * time.
 *
 * @throws Error if a new run gets 503 without Retry-After
 */
export const shiftNodeClock = async (bench: Bench): Promise<FaultMeasurement> => {
  await installDebianPackages(bench.progress, { libfaketime: LIBRARY });
  const figures: FaultFigure[] = [];
  let requests = 0;
  let [refused, servedAfterEnd] = [0, 0];
  for (const { name, options } of CASES) {
    const given = { lifetimeSeconds: 300, ...options, awaitCredentials: false };
    await withPlatform(bench, given, async ({ sidecar }) => {
      const load = startCredentialLoad({ socket: sidecar.socket, perSecond: 10, repeatMs: 0 });
      await pause(LOAD_MS);
      const seen = summarizeLoad(await load.stop());
      const { status, body, retryAfterMs } = await tryRun(sidecar);
      if (status === 503 && retryAfterMs === undefined)
        throw new Error(`${name}: expected Retry-After, got none`);
      figures.push({
        name: `${name}: a new run gets ${describeRefusal(body)}, status`,
        value: status,
        unit: '',
      });
      requests += seen.requests;
      refused += seen.refused;
      servedAfterEnd += seen.servedAfterEnd;
    });
  }
  const counts = [
    { name: 'requests for credentials, none of them repeated', value: requests, unit: '' },
    { name: '… that got none', value: refused, unit: '' },
    { name: '… that got ended credentials', value: servedAfterEnd, unit: '' },
  ];
  return { figures: [...counts, ...figures] };
};
