import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { AuthorityProcess } from '../../bench/authority-process.ts';
import type { Bench } from '../../bench/bench.ts';
import { createToken } from '../../bench/authority-cluster.ts';
import { waitFor } from '../../test/kit/retry.ts';
import { startCredentialLoad, summarizeLoad } from './credential-load.ts';
import type { FaultFigure, FaultMeasurement } from './fault-results.ts';
import {
  expectStatus,
  measureFirstRun,
  tryRun,
  withPlatform,
  type FaultOptions,
} from './platform-under-fault.ts';
import { completeRun, finishSignedLoad } from './recorded-load.ts';
import { CALLS_PER_SECOND, startRunWithCalls, startSignedLoad } from './signed-load.ts';

/** The token file is missing, then empty, then cut in the middle; last it is replaced all the time. */
export const breakTokenFile = (
  bench: Bench,
  { isShort }: FaultOptions,
): Promise<FaultMeasurement> =>
  withPlatform(bench, { lifetimeSeconds: 600 }, async ({ sidecar, authority }) => {
    const { tokenFile } = sidecar;
    const load = startCredentialLoad({ socket: sidecar.socket, perSecond: 50 });
    const token = readFileSync(tokenFile, 'utf8');
    const figures: FaultFigure[] = [];
    const recoveries: number[] = [];
    const faults: Readonly<Record<string, () => void>> = {
      missing: () => rmSync(tokenFile),
      empty: () => writeFileSync(tokenFile, ''),
      'cut in half': () => writeFileSync(tokenFile, token.slice(0, token.length / 2)),
    };
    for (const [name, apply] of Object.entries(faults)) {
      apply();
      const { status, body } = await tryRun(sidecar);
      if (status === 201) throw new Error(`a token file that is ${name}: expected no run, got one`);
      figures.push({
        name: `${name}: a new run gets ${String(body['Code'])}, status`,
        value: status,
        unit: '',
      });
      writeFileSync(tokenFile, token);
      recoveries.push(await measureFirstRun(sidecar, Date.now()));
    }
    const rotation = await rotateWhile(tokenFile, {
      newToken: () => createToken(authority.cluster, 'agent-0'),
      use: () => startRuns(isShort ? 2 : 10, async () => expectStatus(await tryRun(sidecar), 201)),
    });
    figures.push(
      { name: 'replaced all the time: replacements', value: rotation, unit: '' },
      { name: 'replaced all the time: runs that started', value: isShort ? 2 : 10, unit: '' },
    );
    return {
      load: summarizeLoad(await load.stop()),
      recoverySeconds: Math.max(...recoveries),
      figures,
    };
  });

const startRuns = async (count: number, start: () => Promise<unknown>): Promise<void> => {
  for (let run = 0; run < count; run += 1) await start();
};

/** Replaces a file as the kubelet does, by a rename, for as long as `use` takes; how often. */
const rotateWhile = async (
  file: string,
  { newToken, use }: { newToken: () => Promise<string>; use: () => Promise<void> },
): Promise<number> => {
  const tokens = await Promise.all([newToken(), newToken()]);
  let replaced = 0;
  const timer = setInterval(() => {
    writeFileSync(`${file}.next`, tokens[replaced % tokens.length] ?? '');
    renameSync(`${file}.next`, file);
    replaced += 1;
  }, 1);
  await use().finally(() => clearInterval(timer));
  return replaced;
};

const VOLUME_MEBIBYTES = 8;

/** Fills the volume of audit records while runs start, and frees it again. Needs the right to mount. */
export const fillAuditDisk = (
  bench: Bench,
  { isShort }: FaultOptions,
): Promise<FaultMeasurement> => {
  const volume = join(bench.folder, 'audit-volume');
  mkdirSync(volume);
  const size = `size=${VOLUME_MEBIBYTES}m`;
  execFileSync('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', volume]);
  const auditFolder = join(volume, 'audit');
  const options = { auditFolder, auditVolume: `${VOLUME_MEBIBYTES}Mi` };
  return withPlatform(bench, { lifetimeSeconds: 600, authority: options }, async (platform) => {
    const { sidecar, authority } = platform;
    const load = startCredentialLoad({ socket: sidecar.socket, perSecond: 50 });
    const signed = await startSignedLoad(platform, { name: 'call', perSecond: CALLS_PER_SECOND });
    const ended = await startRunWithCalls(platform, 'ended');
    const otherData = join(volume, 'other-data');
    fill(otherData);
    const filledAt = Date.now();
    const refused = await waitFor('a refusal', async () => {
      // What the file system had allocated to the last file may hold some more records.
      fill(otherData);
      const answer = await tryRun(sidecar);
      // While the exchange is repeated, the message has the code.
      return JSON.stringify(answer.body).includes('audit_unavailable') && answer;
    });
    expectStatus(refused, 503);
    const refusedSeconds = (Date.now() - filledAt) / 1000;
    await ended.load.stop();
    await completeRun(platform, ended.run);
    await waitFor('a report of calls to be refused', () => hasRefusedReport(authority));
    await pause(isShort ? 0 : 10_000);
    rmSync(otherData);
    const recoverySeconds = await measureFirstRun(sidecar, Date.now());
    const answers = await load.stop();
    const { calls } = await finishSignedLoad(signed, platform);
    return {
      load: summarizeLoad(answers),
      calls,
      recoverySeconds,
      figures: [
        { name: 'first refusal after the volume was full', value: refusedSeconds, unit: 's' },
        { name: 'status of a new run (audit_unavailable)', value: refused.status, unit: '' },
      ],
    };
  }).finally(() => execFileSync('umount', ['--lazy', volume]));
};

/** Whether calls were reported that could not be recorded. */
const hasRefusedReport = async ({
  readTelemetry,
}: Pick<AuthorityProcess, 'readTelemetry'>): Promise<boolean> =>
  (await readTelemetry('/metrics'))
    .split('\n')
    .some((line) => line.includes('route="records"') && line.includes('"audit_unavailable"'));

/** Appends until no byte fits. */
const fill = (file: string): void => {
  const handle = openSync(file, 'a');
  try {
    for (const bytes of [65_536, 1_024, 1]) {
      try {
        for (;;) writeSync(handle, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(handle);
  }
};
