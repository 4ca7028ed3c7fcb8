import type { ChainLink } from '../contract/approvals.ts';
import type { CallHead } from '../contract/authority-api.ts';
import type { ExemptedRules } from '../contract/exempted-rules.ts';

/** An event to record: who, what, why and the outcome. It never contains a secret. */
export type AuditEvent = {
  readonly kind:
    | 'run.intent'
    | 'run.issued'
    | 'run.refused'
    | 'run.ended'
    | 'run.end_refused'
    | 'run.calls'
    | 'run.calls_refused'
    | 'secret.revocation_failed'
    | 'run.redecided'
    | 'call.refused'
    | 'stream.refused'
    | 'revocation.observed'
    | 'revocation.collected'
    | 'approval.requested'
    | 'approval.observed'
    | 'approval.used'
    | 'approval.denied'
    | 'delegation.minted'
    | 'delegation.used'
    | 'delegation.refused'
    | 'emergency.used'
    | 'emergency.reviewed'
    | 'proposal.created'
    | 'proposal.refused'
    | 'signal.received'
    | 'canary.touched'
    | 'policy.changed'
    | 'key.changed'
    | 'deny_list.updated';
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
  /** Of the request that caused the event. */
  readonly requestId?: string;
  readonly actor?: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly pod: string;
    readonly podUid: string;
    readonly consumer?: string;
    readonly user?: { readonly issuer: string; readonly subject: string };
  };
  readonly run?: string;
  /** Of a delegated run: the runs above it, root first. */
  readonly chain?: readonly ChainLink[];
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
  /** When the run ends, of an event without a scope that says so. */
  readonly deadline?: number;
  readonly decision?: {
    readonly outcome: string;
    readonly policies: readonly string[];
    readonly version: string;
  };
  /** Rules that the pod violates and the platform exempts. */
  readonly exempted?: ExemptedRules;
  /** The calls of a run through the sidecar's gateway. */
  readonly calls?: CallHead;
  /** Stable code, and a message, of a refusal or an end. */
  readonly reason?: string;
  readonly message?: string;
  /** Name of a policy, key, revocation or role, for events that are not about a run. */
  readonly subject?: string;
  /** Instead of an actor: refusals of one namespace that were counted. Times as in `at`. */
  readonly counted?: {
    readonly namespace: string;
    readonly count: number;
    readonly from: number;
    readonly to: number;
  };
};

/**
 * Appends an event to the chain of this replica and waits until it is stored.
 *
 * @throws AuditError when it could not be stored: the request must be refused
 */
export type Recorder = (event: AuditEvent) => Promise<void>;

/**
 * - `disk_full`, `disk_failed`, `sink_failed`: a sink cannot store records
 * - `other_writer`: another process wrote to the file
 * - `overloaded`: too many events are waiting
 * - `bad_event`: this event cannot be encoded; others can
 * - `head_unpublished`: the cluster does not accept the head of the chain, so nothing is issued; before the
 *   first head, nothing is recorded either
 * - `closed`: the recorder is closed
 */
export type AuditErrorCode =
  | 'disk_full'
  | 'disk_failed'
  | 'sink_failed'
  | 'other_writer'
  | 'overloaded'
  | 'bad_event'
  | 'head_unpublished'
  | 'closed';

export class AuditError extends Error {
  override readonly name = 'AuditError';
  readonly code: AuditErrorCode;

  constructor(code: AuditErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
