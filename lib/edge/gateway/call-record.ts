import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { AuthorizedCall } from '../../calls/authorize-call.ts';
import type { CallOutcome } from '../../calls/call-outcome.ts';
import type { CallRun } from '../../calls/call-runs.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Operation } from '../../operations/operation.ts';
import type { LocalKeyOwner } from '../../runs/local-keys.ts';

/** What is known of a call so far. */
export type CallRecord = {
  readonly id: string;
  readonly at: number;
  readonly startedAt: number;
  readonly connection: Socket;
  owner?: LocalKeyOwner;
  service?: string;
  operation?: Operation;
  run?: CallRun;
  authorized?: AuthorizedCall;
  /** When the request went to the cloud, on the monotonic clock. */
  sentAt?: number;
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
};

type End = Pick<CallOutcome, 'outcome'> & Partial<Pick<CallOutcome, 'code' | 'status'>>;

/** The bytes of each connection that belong to its earlier calls. */
type Counted = { readonly read: number; readonly written: number };

export type CallRecords = ReturnType<typeof createCallRecords>;

/** Creates the functions that begin a record of a call and turn it into its outcome. */
export const createCallRecords = ({
  clock,
  createId,
}: {
  clock: Clock;
  createId: () => string;
}) => {
  const counted = new WeakMap<Socket, Counted>();

  const countBytes = (connection: Socket): { inBytes: number; outBytes: number } => {
    const { read, written } = counted.get(connection) ?? { read: 0, written: 0 };
    const { bytesRead, bytesWritten } = connection;
    counted.set(connection, { read: bytesRead, written: bytesWritten });
    return { inBytes: bytesRead - read, outBytes: bytesWritten - written };
  };

  const describe = ({ owner, run, service, operation, authorized }: CallRecord) => {
    const permissions = authorized?.permissions ?? [];
    const task = run?.task ?? owner?.task;
    return {
      ...(run !== undefined && { run: run.run }),
      ...(task !== undefined && { task }),
      ...(owner !== undefined && { consumer: owner.consumer }),
      ...(service !== undefined && { service }),
      ...(operation !== undefined && { operation: `${operation.service}:${operation.name}` }),
      actions: permissions.map(({ action }) => action),
      resources: permissions.map(({ resource = '' }) => resource),
      ...(authorized !== undefined && { isResolved: authorized.isResolved }),
    };
  };

  return {
    begin: ({ socket }: IncomingMessage): CallRecord => ({
      id: createId(),
      at: clock.now(),
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
    end: (record: CallRecord, end: End): CallOutcome => {
      const endedAt = clock.monotonic();
      return {
        id: record.id,
        at: record.at,
        ...describe(record),
        ...end,
        ...countBytes(record.connection),
        ms: endedAt - record.startedAt,
        overheadMs: (record.sentAt ?? endedAt) - record.startedAt - record.waitedMs,
      };
    },
  };
};
