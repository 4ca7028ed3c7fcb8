import type { CallRefusalCode } from './call-refusals.ts';

/** How a call ended, for the journal and the metrics. It holds no body, query value, key or token. */
export type CallOutcome = {
  /** ID of the call, also in the response's `x-amzn-requestid` if it was refused. */
  readonly id: string;
  /** When it arrived, milliseconds since the epoch. */
  readonly at: number;
  readonly run?: string;
  readonly task?: string;
  readonly consumer?: string;
  /** Service and operation: `s3:PutObject`. */
  readonly operation?: string;
  /** The permissions that the call needs, in pairs with {@link resources}. */
  readonly actions: readonly string[];
  /** ARNs; an empty text where the request does not say the resource. */
  readonly resources: readonly string[];
  /** Whether each resource was read from the request; absent before the decision. */
  readonly isResolved?: boolean;
  /** Signing name, once it is known to have a table. */
  readonly service?: string;
  /**
   * `allowed`: the cloud responded, whatever its status. `refused`: by the gateway. `failed`: allowed,
   * without a response of the cloud. `cut`: allowed, and ended before the response was complete.
   */
  readonly outcome: 'allowed' | 'refused' | 'failed' | 'cut';
  /** Absent for `allowed`. `client_closed`: the client closed the connection. */
  readonly code?: CallRefusalCode | 'client_closed';
  /** Of the response to the client, if one began. */
  readonly status?: number;
  /** Bytes of the connection with the client, heads included. */
  readonly inBytes: number;
  readonly outBytes: number;
  /** From the head of the request to the end of the response, in milliseconds. */
  readonly ms: number;
  /** Of these until the request was sent to the cloud, without waits for a body or a run. */
  readonly overheadMs: number;
};
