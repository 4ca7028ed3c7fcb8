/** How strict rule 4 is in a namespace. Only the platform can set `baseline`. */
export type Level = 'restricted' | 'baseline';

export type LevelOptions = {
  readonly isRootAllowed: boolean;
  /** Whether a setuid file may give a process more privileges. If not, an unset field is filled. */
  readonly isEscalationAllowed: boolean;
  /** Filled if no capabilities are set, required if some are. `ALL` satisfies either value. */
  readonly drop: 'ALL' | 'NET_RAW';
  readonly addable: readonly string[];
};

/**
 * `baseline` allows root and the default capabilities of a container runtime without NET_RAW, which
 * lets a container read the loopback traffic of the others in its pod.
 */
export const LEVELS: Readonly<Record<Level, LevelOptions>> = {
  restricted: {
    isRootAllowed: false,
    isEscalationAllowed: false,
    drop: 'ALL',
    addable: ['NET_BIND_SERVICE'],
  },
  baseline: {
    isRootAllowed: true,
    isEscalationAllowed: true,
    drop: 'NET_RAW',
    addable: [
      'AUDIT_WRITE',
      'CHOWN',
      'DAC_OVERRIDE',
      'FOWNER',
      'FSETID',
      'KILL',
      'MKNOD',
      'NET_BIND_SERVICE',
      'SETFCAP',
      'SETGID',
      'SETPCAP',
      'SETUID',
      'SYS_CHROOT',
    ],
  },
};

/** Profiles that confine a container, at both levels. */
export const SECCOMP_TYPES = ['RuntimeDefault', 'Localhost'] as const;

/** SELinux types that confine a container (Pod Security Standards). Unset is allowed too. */
export const SELINUX_TYPES = [
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
] as const;

/** The level of a namespace. An unknown namespace has level `restricted`. */
export const getLevel = (
  namespace: string | undefined,
  { baselineNamespaces }: { readonly baselineNamespaces: readonly string[] },
): Level =>
  namespace !== undefined && baselineNamespaces.includes(namespace) ? 'baseline' : 'restricted';
