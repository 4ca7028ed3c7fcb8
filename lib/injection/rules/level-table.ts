import { SIDECAR_GID, SIDECAR_UID } from '../../contract/names.ts';
import { LEVELS, SECCOMP_TYPES, SELINUX_TYPES, type Level } from './levels.ts';

/** What rule 4 says of one field at one level. */
type LevelCell = {
  /** Written into a container that leaves it open, as the warning names it. */
  readonly filled: string;
  /** What has to be written where nothing is filled. */
  readonly asked: string;
  readonly refused: string;
  /** What an agent still cannot do. */
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

/** Rule 4 for people, both levels side by side: docs/admission.md shows it, and each cell is tested. */
export const LEVEL_TABLE: readonly LevelRow[] = [
  {
    field: 'privileged',
    cells: buildEqualCells({
      filled: NOTHING,
      asked: NOTHING,
      refused: 'true',
      protects: "the node, and with it every pod's exchange token",
    }),
  },
  {
    field: 'allowPrivilegeEscalation',
    cells: {
      restricted: {
        filled: 'allowPrivilegeEscalation: false',
        asked: 'false',
        refused: 'true',
        protects: 'no setuid file makes a process root or gives it capabilities',
      },
      baseline: {
        filled: NOTHING,
        asked: NOTHING,
        refused: NOTHING,
        protects: 'a process may become root in its container, never more than its capabilities',
      },
    },
  },
  {
    field: 'runAsNonRoot, runAsUser',
    cells: {
      restricted: {
        filled: NOTHING,
        asked: 'runAsNonRoot: true, or a runAsUser other than 0',
        refused: 'runAsUser: 0, and neither of both',
        protects: 'no process is root, even should it leave its container',
      },
      baseline: {
        filled: NOTHING,
        asked: NOTHING,
        refused: NOTHING,
        protects: "root stays in its container: it sees no file and no process of the sidecar's",
      },
    },
  },
  {
    field: "runAsUser, runAsGroup: the sidecar's",
    cells: buildEqualCells({
      filled: NOTHING,
      asked: NOTHING,
      refused: `runAsUser: ${SIDECAR_UID}, runAsGroup: ${SIDECAR_GID}`,
      protects: 'files and signals of the sidecar, where a wall between containers is missing',
    }),
  },
  {
    field: 'capabilities',
    cells: {
      restricted: {
        filled: `capabilities: {drop: [${LEVELS.restricted.drop}]}`,
        asked: 'ALL under drop',
        refused: `under add: all but ${LEVELS.restricted.addable.join(', ')}`,
        protects: 'no process traces another, changes the network or passes over file modes',
      },
      baseline: {
        filled: `capabilities: {drop: [${LEVELS.baseline.drop}]}`,
        asked: 'NET_RAW or ALL under drop',
        refused: `under add: all but ${LEVELS.baseline.addable.join(', ')}`,
        protects:
          'without NET_RAW nobody reads what other consumers say on loopback; nobody traces, mounts or changes the network',
      },
    },
  },
  {
    field: 'procMount',
    cells: buildEqualCells({
      filled: NOTHING,
      asked: NOTHING,
      refused: 'Unmasked',
      protects: "the kernel's settings under /proc",
    }),
  },
  {
    field: 'seccompProfile.type',
    cells: buildEqualCells({
      filled: 'seccompProfile: {type: RuntimeDefault}',
      asked: SECCOMP_TYPES.join(' or '),
      refused: 'Unconfined',
      protects: 'calls by which containers have been left: a smaller kernel to attack',
    }),
  },
  {
    field: 'appArmorProfile.type, and its older annotation',
    cells: buildEqualCells({
      filled: NOTHING,
      asked: NOTHING,
      refused: 'Unconfined',
      protects: "what the node's AppArmor profile denies",
    }),
  },
  {
    field: 'seLinuxOptions',
    cells: buildEqualCells({
      filled: NOTHING,
      asked: NOTHING,
      refused: `a type other than ${SELINUX_TYPES.join(', ')}; any user or role`,
      protects: 'what SELinux keeps containers from',
    }),
  },
];
