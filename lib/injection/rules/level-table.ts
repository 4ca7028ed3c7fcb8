import { SIDECAR_GID, SIDECAR_UID } from '../../contract/names.ts';
import { LEVELS, SECCOMP_TYPES, SELINUX_TYPES, type Level } from './levels.ts';

/** Rule 4 for one field at one level. */
type LevelCell = {
  /** The value that injection sets if the field is unset, as in the warning. */
  readonly filled: string;
  /** The value that the author must set if injection sets none. */
  readonly required: string;
  readonly refused: string;
  /** What the check prevents. */
  readonly protects: string;
};

export type LevelRow = {
  readonly field: string;
  readonly cells: Readonly<Record<Level, LevelCell>>;
};

const NOTHING = 'nothing';

const buildEqualCells = (cell: LevelCell): LevelRow['cells'] => ({
  restricted: cell,
  baseline: cell,
});

/** Rule 4 at both levels, as docs/admission.md shows it. Each cell is tested. */
export const LEVEL_TABLE: readonly LevelRow[] = [
  {
    field: 'privileged',
    cells: buildEqualCells({
      filled: NOTHING,
      required: NOTHING,
      refused: 'true',
      protects: "the node, and with it every pod's exchange token",
    }),
  },
  {
    field: 'allowPrivilegeEscalation',
    cells: {
      restricted: {
        filled: 'allowPrivilegeEscalation: false',
        required: 'false',
        refused: 'true',
        protects: 'no setuid file makes a process root or gives it capabilities',
      },
      baseline: {
        filled: NOTHING,
        required: NOTHING,
        refused: NOTHING,
        protects:
          'a process may become root in its container, but gains no capability beyond those of the container',
      },
    },
  },
  {
    field: 'runAsNonRoot, runAsUser',
    cells: {
      restricted: {
        filled: NOTHING,
        required: 'runAsNonRoot: true, or a runAsUser other than 0',
        refused: 'runAsUser: 0, or neither field set',
        protects: 'no process is root, not even after a container escape',
      },
      baseline: {
        filled: NOTHING,
        required: NOTHING,
        refused: NOTHING,
        protects: 'root stays in its container and sees no file or process of the sidecar',
      },
    },
  },
  {
    field: "runAsUser, runAsGroup: the sidecar's",
    cells: buildEqualCells({
      filled: NOTHING,
      required: NOTHING,
      refused: `runAsUser: ${SIDECAR_UID}, runAsGroup: ${SIDECAR_GID}`,
      protects:
        'the files and signals of the sidecar, if the isolation between containers is incomplete',
    }),
  },
  {
    field: 'capabilities',
    cells: {
      restricted: {
        filled: `capabilities: {drop: [${LEVELS.restricted.drop}]}`,
        required: 'ALL under drop',
        refused: `under add: all but ${LEVELS.restricted.addable.join(', ')}`,
        protects: 'no process traces another, changes the network or bypasses file permissions',
      },
      baseline: {
        filled: `capabilities: {drop: [${LEVELS.baseline.drop}]}`,
        required: 'NET_RAW or ALL under drop',
        refused: `under add: all but ${LEVELS.baseline.addable.join(', ')}`,
        protects:
          'without NET_RAW no container reads the loopback traffic of other consumers; no process traces another, mounts file systems or changes the network',
      },
    },
  },
  {
    field: 'procMount',
    cells: buildEqualCells({
      filled: NOTHING,
      required: NOTHING,
      refused: 'Unmasked',
      protects: "the kernel's settings under /proc",
    }),
  },
  {
    field: 'seccompProfile.type',
    cells: buildEqualCells({
      filled: 'seccompProfile: {type: RuntimeDefault}',
      required: SECCOMP_TYPES.join(' or '),
      refused: 'Unconfined',
      protects:
        'system calls that container escapes have used: a smaller attack surface of the kernel',
    }),
  },
  {
    field: 'appArmorProfile.type, and its older annotation',
    cells: buildEqualCells({
      filled: NOTHING,
      required: NOTHING,
      refused: 'Unconfined',
      protects: "what the node's AppArmor profile denies",
    }),
  },
  {
    field: 'seLinuxOptions',
    cells: buildEqualCells({
      filled: NOTHING,
      required: NOTHING,
      refused: `a type other than ${SELINUX_TYPES.join(', ')}; any user or role`,
      protects: 'what SELinux denies to containers',
    }),
  },
];
