import { readFileSync, writeFileSync } from 'node:fs';

/** Kernel settings that the kubelet changes for the whole machine. */
const sysctlFiles = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
];

export function readSysctls(): Record<string, string> {
  return Object.fromEntries(
    sysctlFiles.map((file) => [file, readFileSync(`/proc/sys/${file}`, 'utf8').trim()]),
  );
}

export function restoreSysctls(values: Record<string, string>): void {
  for (const [file, value] of Object.entries(values)) writeFileSync(`/proc/sys/${file}`, value);
}
