import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { CallAttempt } from '../../calls/call-attempts.ts';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import type { RenderedRefusal } from '../../calls/refusal-rendering.ts';
import type { CallAuthorization } from '../../calls/call-authorization.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import type { NoteRefusal } from '../../calls/noted-refusals.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Operation } from '../../operations/operation.ts';
import type { LocalKeyOwner } from '../../runs/local-keys.ts';

/** What is known of a call so far. */
export type CallRecord = {
  readonly id: string;
  readonly startedAt: number;
  readonly connection: Socket;
  owner?: LocalKeyOwner;
  service?: string;
  operation?: Pick<Operation, 'service' | 'name'>;
  run?: CallRun;
  authorization?: CallAuthorization;
  /** Of a call that the authority was asked about. */
  attempt?: CallAttempt;
  /** When the request went to the cloud, on the monotonic clock. */
  sentAt?: number;
  /** Its refusal, after it was remembered. */
  noted?: CallRefusal;
  /** Time of waits for the body and for a run. */
  waitedMs: number;
};

/** One call and its connection. */
export type CallExchange = {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly record: CallRecord;
  /** Called once when the call has ended. */
  readonly releases: (() => void)[];
  /** Renders a refusal for the client's protocol, where that needs the request. */
  render?: (refusal: CallRefusal) => RenderedRefusal;
};

type End = Pick<EndedCall, 'outcome' | 'code' | 'status'>;

/** The bytes of each connection that belong to its earlier calls. */
type Counted = { readonly read: number; readonly written: number };

export type CallRecords = ReturnType<typeof createCallRecords>;

/** Creates the functions that begin a record of a call and turn it into its outcome. */
export const createCallRecords = ({
  clock,
  createId,
  noteRefusal,
}: {
  clock: Clock;
  createId: () => string;
  noteRefusal?: NoteRefusal | undefined;
}) => {
  const counted = new WeakMap<Socket, Counted>();

  const countBytes = (connection: Socket): { bytesIn: number; bytesOut: number } => {
    const { read, written } = counted.get(connection) ?? { read: 0, written: 0 };
    const { bytesRead, bytesWritten } = connection;
    counted.set(connection, { read: bytesRead, written: bytesWritten });
    return { bytesIn: bytesRead - read, bytesOut: bytesWritten - written };
  };

  const describe = ({ owner, run, service, operation, authorization }: CallRecord) => ({
    run: run?.run,
    task: run?.task ?? owner?.task,
    consumer: owner?.consumer,
    service,
    operation,
    permissions: authorization?.permissions ?? [],
    isResolved: authorization?.isResolved,
  });

  return {
    begin: ({ socket }: IncomingMessage): CallRecord => ({
      id: createId(),
      startedAt: clock.monotonic(),
      connection: socket,
      waitedMs: 0,
    }),
    /** Adds the time until a promise settles to the waits of a call. */
    wait: async <T>(record: CallRecord, promise: Promise<T>): Promise<T> => {
      const startedAt = clock.monotonic();
      try {
        return await promise;
      } finally {
        record.waitedMs += clock.monotonic() - startedAt;
      }
    },
    /** Remembers the refusal of a call once. @returns it, as the client gets it */
    note: (record: CallRecord, refusal: CallRefusal): CallRefusal => {
      const { id, owner, run, authorization } = record;
      const call = { id, consumer: owner?.consumer, run, authorization };
      return (record.noted ??= noteRefusal?.(call, refusal) ?? refusal);
    },
    end: (record: CallRecord, end: End): EndedCall => {
      const endedAt = clock.monotonic();
      return {
        id: record.id,
        ...describe(record),
        ...end,
        ...countBytes(record.connection),
        ms: endedAt - record.startedAt,
        overheadMs: (record.sentAt ?? endedAt) - record.startedAt - record.waitedMs,
      };
    },
  };
};
