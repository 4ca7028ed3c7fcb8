import type { ExemptedRules } from '../contract/exempted-rules.ts';

/** What happened. Who, what, why and how it ended; never a secret. */
export type AuditEvent = {
  readonly kind:
    | 'run.intent'
    | 'run.issued'
    | 'run.refused'
    | 'run.ended'
    | 'run.end_refused'
    | 'stream.refused'
    | 'revocation.observed'
    | 'revocation.collected'
    | 'policy.changed'
    | 'key.changed'
    | 'deny_list.updated';
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
  /** What the pod that runs it breaks by leave. */
  readonly exempted?: ExemptedRules;
  /** Stable code and a line for people, where something was refused or ended. */
  readonly reason?: string;
  readonly message?: string;
  /** Of what is no run: the name of a policy, a key, a revocation, a role. */
  readonly subject?: string;
};

/**
 * Appends an event to this replica's chain and waits until it is kept.
 *
 * @throws AuditError when it could not be kept: whoever asked must refuse
 */
export type Recorder = (event: AuditEvent) => Promise<void>;

/**
 * - `disk_full`, `disk_failed`, `sink_failed`: a place of records does not take them
 * - `other_writer`: the file grew by another hand
 * - `overloaded`: too many events wait already
 * - `bad_event`: this event cannot be written down; others can
 * - `closed`: the recorder was closed
 */
export type AuditErrorCode =
  | 'disk_full'
  | 'disk_failed'
  | 'sink_failed'
  | 'other_writer'
  | 'overloaded'
  | 'bad_event'
  | 'closed';

export class AuditError extends Error {
  override readonly name = 'AuditError';
  readonly code: AuditErrorCode;

  constructor(code: AuditErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
