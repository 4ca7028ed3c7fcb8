import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WrapCommand } from '../../bench/measured-processes.ts';

export const MEBIBYTE = 1024 * 1024;

/** A memory cgroup in which a program starts. */
export type MemoryGroup = {
  readonly wrap: WrapCommand;
  /** @returns false if the kernel cannot take so much from the processes at once (cgroup v1) */
  readonly setLimit: (bytes: number) => boolean;
  /** Bytes that its processes use, caches included. */
  readonly readUsage: () => number;
  /** Processes that the kernel killed because they needed more. */
  readonly countKills: () => number;
  readonly remove: () => void;
};

type GroupFiles = { readonly limit: string; readonly usage: string; readonly events: string };

const V1_ROOT = '/sys/fs/cgroup/memory';
const V1_FILES: GroupFiles = {
  limit: 'memory.limit_in_bytes',
  usage: 'memory.usage_in_bytes',
  events: 'memory.oom_control',
};
const V2_ROOT = '/sys/fs/cgroup';
const V2_FILES: GroupFiles = {
  limit: 'memory.max',
  usage: 'memory.current',
  events: 'memory.events',
};

/** Creates a memory cgroup of v1 or v2. Needs root. */
export const createMemoryGroup = (name: string, limitBytes: number): MemoryGroup => {
  const isV1 = existsSync(V1_ROOT);
  const folder = join(isV1 ? V1_ROOT : V2_ROOT, `valetkey-faults-${process.pid}-${name}`);
  const files = isV1 ? V1_FILES : V2_FILES;
  const readFile = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const setLimit = (bytes: number): boolean => {
    try {
      writeFileSync(join(folder, files.limit), `${bytes}`);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      return false;
    }
  };
  mkdirSync(folder);
  setLimit(limitBytes);
  const enter = `echo $$ > ${join(folder, 'cgroup.procs')} && exec "$0" "$@"`;
  return {
    wrap: ({ command, args, ...plan }) => ({
      ...plan,
      command: '/bin/sh',
      args: ['-c', enter, command, ...args],
    }),
    setLimit,
    readUsage: () => Number(readFile(files.usage)),
    countKills: () => Number(/^oom_kill (\d+)$/m.exec(readFile(files.events))?.[1] ?? NaN),
    remove: () => rmdirSync(folder),
  };
};
