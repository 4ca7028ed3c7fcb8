import type { ApprovalUser } from '../contract/approvals.ts';
import type { ExemptedRules } from '../contract/exempted-rules.ts';
import type { AdmittedTasks } from '../contract/task.ts';

/** The caller: a running pod that complies with every rule, in its current state at the API server. */
export type Workload = {
  readonly namespace: string;
  /** The namespace's labels, for policy. */
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly pod: {
    readonly name: string;
    readonly uid: string;
    readonly node: string;
    /** One per IP family; the first is the primary one. */
    readonly ips: readonly string[];
  };
  /** Read from the environment of the running pod's sidecar. */
  readonly admitted: AdmittedTasks;
  /** SHA-256 of the injection template that the pod was injected from. */
  readonly templateHash: string;
  /** Rules that the pod breaks and is exempted from. */
  readonly exempted: ExemptedRules;
  /** Whether the gateway of the pod may take its UID as a key; absent: no. */
  readonly isKeyFixed?: boolean;
  /** `exp` of the token, milliseconds since the epoch. */
  readonly tokenExpiresAt: number;
};

/** The human for whom the agent acts. */
export type User = {
  readonly issuer: string;
  readonly subject: string;
  /** The user's name at the API server, if the platform states how it names users of this issuer. */
  readonly kubernetesName?: string;
  /** SHA-256, hex, of the issuer and the signed part of the token: identifies a used token. */
  readonly digest: string;
  /** `exp` of the token, milliseconds since the epoch. */
  readonly expiresAt: number;
};

/** A user as objects and tickets name one: without what identifies the token. */
export const toNamedUser = ({
  issuer,
  subject,
  kubernetesName,
}: Pick<User, 'issuer' | 'subject' | 'kubernetesName'>): ApprovalUser => ({
  issuer,
  subject,
  ...(kubernetesName !== undefined && { kubernetesName }),
});

/**
 * Why a caller could not be identified. `refused` is a decision about the caller; `unavailable` means
 * that no decision was possible. `code` is stable (`token_expired`, `pod_not_found`, …).
 */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly kind: 'refused' | 'unavailable';
  readonly code: string;
  /**
   * Claims of a refused token whose signature is valid, so that its pod can be notified. They identify
   * no caller: the token may be expired, or meant for another audience.
   */
  readonly signedClaims: object | undefined;

  constructor(
    kind: 'refused' | 'unavailable',
    code: string,
    message: string,
    { cause, signedClaims }: { cause?: unknown; signedClaims?: object } = {},
  ) {
    super(message, { cause });
    this.kind = kind;
    this.code = code;
    this.signedClaims = signedClaims;
  }
}
