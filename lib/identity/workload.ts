import type { ExemptedRules } from '../contract/exempted-rules.ts';
import type { AdmittedTasks } from '../contract/task.ts';

/** Who is asking: a live pod that keeps every rule, as the API server knows it at this moment. */
export type Workload = {
  readonly namespace: string;
  /** The namespace's labels, for policy. */
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly pod: {
    readonly name: string;
    readonly uid: string;
    readonly node: string;
    readonly ip: string;
  };
  /** Read from the live pod's sidecar environment. */
  readonly admitted: AdmittedTasks;
  /** SHA-256 of the profile that the pod was injected from. */
  readonly templateHash: string;
  /** Rules that the pod breaks by leave. */
  readonly exempted: ExemptedRules;
  /** `exp` of the token, milliseconds since the epoch. */
  readonly tokenExpiresAt: number;
};

/** The human for whom the agent acts. */
export type User = {
  readonly issuer: string;
  readonly subject: string;
  /** SHA-256, hex, of the issuer and what it signed: the name under which the token is spent. */
  readonly digest: string;
  /** `exp` of the token, milliseconds since the epoch. */
  readonly expiresAt: number;
};

/**
 * `refused` is an answer about the caller; `unavailable` means that nobody could be asked, and is
 * never an answer. `code` is stable (`token_expired`, `pod_not_found`, `pod_noncompliant`, …).
 */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly kind: 'refused' | 'unavailable';
  readonly code: string;

  constructor(
    kind: 'refused' | 'unavailable',
    code: string,
    message: string,
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.code = code;
  }
}
