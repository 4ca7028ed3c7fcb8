import type { CallOutcome } from '../contract/authority-api.ts';
import type { Operation, Permission } from '../operations/operation.ts';

/** A call that has ended, for the journal and the metrics. It holds no body, header value, key or token. */
export type EndedCall = {
  /** Also in the response's `x-amzn-requestid` if it was refused. */
  readonly id: string;
  /** Absent: refused before they were known. */
  readonly consumer?: string | undefined;
  readonly task?: string | undefined;
  readonly run?: string | undefined;
  /** Signing name, once it is known to have a table. */
  readonly service?: string | undefined;
  readonly operation?: Pick<Operation, 'service' | 'name'> | undefined;
  /** What the call needs; of a refused call the refused permission is the last one. */
  readonly permissions: readonly Permission[];
  /** Whether each resource was read from the request; absent before the decision. */
  readonly isResolved?: boolean | undefined;
  /**
   * `allowed`: the cloud responded, whatever its status. `refused`: by the gateway. `failed`: allowed,
   * without a response of the cloud. `cut`: allowed, and ended before the response was complete.
   */
  readonly outcome: CallOutcome;
  /** Of a refusal, or `client_closed`: the client closed the connection. Absent for `allowed`. */
  readonly code?: string | undefined;
  /** Of the response to the client, if one began. */
  readonly status?: number | undefined;
  /** Bytes of the connection with the client, heads included. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** From the head of the request to the end of the response, in milliseconds. */
  readonly ms: number;
  /** Of these until the request was sent to the cloud, without waits for a body or a run. */
  readonly overheadMs: number;
};
