import { shiftNodeClock } from './process-clock.ts';
import { breakTokenFile, fillAuditDisk } from './process-files.ts';
import { restoreKeys } from './process-keys.ts';
import { killAuthority, killAuthorityForLong, killSidecar } from './process-kills.ts';
import { limitMemory } from './process-limits.ts';
import { exhaustMemory } from './process-memory.ts';
import { failingSts, garbageFromSts, slowSts, throttlingSts } from './process-sts.ts';
import type { FaultId } from './fault-cases.ts';
import type { RunFault } from './platform-under-fault.ts';
import { soak } from './soak.ts';

/** Half an hour, or 20 seconds; `--minutes` says otherwise. */
export const SOAK_MINUTES = 30;
const SHORT_SOAK_MINUTES = 1 / 3;

/** How each fault without a cluster is applied. */
export const PROCESS_FAULTS: Readonly<Partial<Record<FaultId, RunFault>>> = {
  'sidecar-killed': killSidecar,
  'authority-killed': killAuthority,
  'authority-outage': killAuthorityForLong,
  'sts-slow': slowSts,
  'sts-failing': failingSts,
  'sts-throttling': throttlingSts,
  'sts-garbage': garbageFromSts,
  'node-clock': shiftNodeClock,
  'audit-disk-full': fillAuditDisk,
  'token-file': breakTokenFile,
  'memory-limit': limitMemory,
  'memory-exhausted': exhaustMemory,
  'keys-restored': restoreKeys,
  soak: (bench, { isShort, minutes = isShort ? SHORT_SOAK_MINUTES : SOAK_MINUTES }) =>
    soak(bench, minutes),
};
