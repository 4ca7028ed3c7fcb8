import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../../bench/bench.ts';
import { round } from '../../test/kit/statistics.ts';
import { startCredentialLoad, summarizeLoad } from './credential-load.ts';
import type { FaultMeasurement } from './fault-results.ts';
import { createMemoryGroup, MEBIBYTE } from './memory-group.ts';
import { withPlatform, type FaultOptions } from './platform-under-fault.ts';

/** `sidecar.resources.memory` of the chart. */
const LIMIT_MEBIBYTES = 128;
const HELD_CONNECTIONS = 500;

const holdConnections = (socket: string): Promise<readonly Socket[]> =>
  Promise.all(
    Array.from({ length: HELD_CONNECTIONS }, async () => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const connection = connect(socket, () => resolve(undefined)).on('error', reject);
      await promise;
      // An unfinished request, which the server has to keep.
      connection.write('GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\n');
      connection.on('error', () => connection.destroy());
      return connection;
    }),
  );

/**
 * Runs the sidecar in a cgroup with the chart's limit, under load and with many unfinished requests.
 *
 * @throws Error if the kernel kills it
 */
export const limitMemory = (bench: Bench, { isShort }: FaultOptions): Promise<FaultMeasurement> => {
  const group = createMemoryGroup('sidecar', LIMIT_MEBIBYTES * MEBIBYTE);
  const options = { lifetimeSeconds: 60, wrapSidecar: group.wrap };
  return withPlatform(bench, options, async ({ sidecar }) => {
    const load = startCredentialLoad({ socket: sidecar.socket, perSecond: 50 });
    const before = readResident(sidecar.pid);
    const connections = await holdConnections(sidecar.socket);
    let peak = before;
    const meter = setInterval(() => (peak = Math.max(peak, readResident(sidecar.pid))), 200);
    await pause(isShort ? 1_000 : 15_000);
    clearInterval(meter);
    const kills = group.countKills();
    connections.forEach((connection) => connection.destroy());
    const answers = await load.stop();
    if (kills > 0) throw new Error(`expected no process to be killed, got ${kills}`);
    return {
      load: summarizeLoad(answers),
      recoverySeconds: 0,
      figures: [
        { name: 'memory limit', value: LIMIT_MEBIBYTES, unit: 'MiB' },
        { name: 'connections with an unfinished request', value: HELD_CONNECTIONS, unit: '' },
        { name: 'resident memory before', value: round(before / MEBIBYTE), unit: 'MiB' },
        { name: 'most resident memory', value: round(peak / MEBIBYTE), unit: 'MiB' },
        { name: 'kills by the kernel', value: kills, unit: '' },
      ],
    };
  }).finally(group.remove);
};

const readResident = (pid: number): number => {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) * 1024;
};
