/** What happened. Who, what, why and how it ended; never a secret. */
export type AuditEvent = {
  readonly kind:
    | 'run.intent'
    | 'run.issued'
    | 'run.refused'
    | 'run.ended'
    | 'revocation.observed'
    | 'revocation.collected'
    | 'policy.changed'
    | 'key.changed'
    | 'denial.written'
    | 'chain.begun';
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
  readonly actor?: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly pod: string;
    readonly podUid: string;
    readonly consumer?: string;
    readonly user?: { readonly issuer: string; readonly subject: string };
  };
  readonly run?: string;
  readonly task?: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly purpose?: string;
  /** The session policy's digest (SHA-256, hex), role and actions. */
  readonly scope?: {
    readonly role: string;
    readonly sessionName?: string;
    readonly policySha256?: string;
    readonly actions: readonly string[];
    readonly resources: readonly string[];
    readonly deadline?: number;
  };
  readonly decision?: {
    readonly outcome: string;
    readonly policies: readonly string[];
    readonly version: string;
  };
  /** Stable code and a line for people, where something was refused or ended. */
  readonly reason?: string;
  readonly message?: string;
  /** Of what is no run: the name of a policy, a key, a revocation. */
  readonly subject?: string;
};

/**
 * Appends an event to this replica's chain and waits until it is kept.
 *
 * @throws AuditError when it could not be kept: whoever asked must refuse
 */
export type Recorder = (event: AuditEvent) => Promise<void>;

export class AuditError extends Error {
  override readonly name = 'AuditError';
}
