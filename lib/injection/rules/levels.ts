/** How strictly rule 4 holds a namespace's pods; only the platform gives one `baseline`. */
export type Level = 'restricted' | 'baseline';

export type LevelOptions = {
  readonly isRootAllowed: boolean;
  /** Whether a process may gain rights by a setuid file; unset is filled where it may not. */
  readonly isEscalationAllowed: boolean;
  /** Filled where no capabilities are written, asked for where they are. `ALL` does for either. */
  readonly drop: 'ALL' | 'NET_RAW';
  readonly addable: readonly string[];
};

/**
 * `baseline` allows root and what a container runtime gives by default, less NET_RAW: with it a
 * container reads what the others of its pod say on loopback.
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

/** Both levels: what confines a container stays as the runtime makes it. */
export const SECCOMP_TYPES = ['RuntimeDefault', 'Localhost'] as const;

/** Types of SELinux that confine a container (Pod Security Standards); unset is one of them. */
export const SELINUX_TYPES = [
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
] as const;

/** @param namespace nothing, where it is not known */
export const getLevel = (
  namespace: string | undefined,
  { baselineNamespaces }: { readonly baselineNamespaces: readonly string[] },
): Level =>
  namespace !== undefined && baselineNamespaces.includes(namespace) ? 'baseline' : 'restricted';
