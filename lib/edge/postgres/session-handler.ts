import type { Socket } from 'node:net';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import { renderDatabaseRefusal } from '../../calls/database-refusals.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import type { NoteRefusal } from '../../calls/noted-refusals.ts';
import type { Clock } from '../../contract/clock.ts';
import { createCancelRequests, type CancelRequests } from '../../postgres/cancel-requests.ts';
import type { BackendKey } from '../../postgres/startup.ts';
import { readClientStartup, type StartupEnd } from './client-startup.ts';
import { DatabaseError } from './database-error.ts';
import { cancelQuery, type DatabaseServer } from './server-connection.ts';
import { pipeSession } from './session-pipe.ts';
import {
  createSessionSteps,
  refuse,
  RefusedSession,
  requireRead,
  type Session,
  type SessionEntry,
  type SessionStepDeps,
  type Startup,
} from './session-steps.ts';

export type SessionDeps = SessionStepDeps & {
  /** Absent in tests: nothing is remembered. */
  readonly noteRefusal?: NoteRefusal | undefined;
  readonly createId: () => string;
  readonly clock: Clock;
  /** A session began or ended, or was refused: for the journal. */
  readonly record: (call: EndedCall) => void;
  /** The same, once for each session: for the metrics. */
  readonly ended: (call: EndedCall) => void;
  /** An error of the gateway itself ended a session: its message could quote a secret. */
  readonly failed: (thrown: unknown) => void;
};

export type SessionHandler = {
  /** Serves one client; never rejects. */
  readonly handle: (socket: Socket, entry: SessionEntry) => Promise<void>;
  readonly countSessions: () => number;
  /** Resolves when no session is left. */
  readonly waitIdle: () => Promise<void>;
};

/** Of a consumer: databases have few connections (PostgreSQL's default is 100). */
const MAX_SESSIONS = 64;

/** Creates what serves the clients of all PostgreSQL tasks of a pod. */
export const createSessionHandler = (deps: SessionDeps): SessionHandler => {
  const { clock, createId, failed } = deps;
  const open = new Set<Session>();
  let onIdle = (): void => undefined;
  const report = createSessionReport(deps);
  const endRefused = createRefusalEnd(deps, report);
  const cancels = createSessionCancels(deps);
  const steps = createSessionSteps(deps);

  const serve = async (session: Session, packet: Startup, entry: SessionEntry): Promise<void> => {
    await steps.identify(session, entry);
    takeSession(session, open);
    const secret = await steps.enterRun(session, packet);
    const database = steps.authorize(session, packet, secret);
    await steps.passGates(session);
    const { server, key } = await steps.connect(session, packet, { secret, database });
    const forget = cancels.add(entry, key, secret);
    try {
      report(session, 'connect', { outcome: 'allowed' });
      const end = await pipeSession(session.socket, server, session.run?.signal);
      report(session, 'disconnect', end);
    } finally {
      forget();
    }
  };

  const close = (session: Session): void => {
    const { socket } = session;
    socket.end(() => socket.destroy());
    open.delete(session);
    try {
      session.run?.release();
    } finally {
      if (open.size === 0) onIdle();
    }
  };

  const handleSession = async (socket: Socket, entry: SessionEntry): Promise<void> => {
    const { task, consumer } = entry;
    const session: Session = {
      id: createId(),
      startedAt: clock.monotonic(),
      socket,
      task,
      consumer,
    };
    open.add(session);
    try {
      const packet = requireRead(await readClientStartup(socket));
      if (packet.kind === 'cancel') await cancels.cancel(packet.key, entry);
      else await serve(session, packet, entry);
    } catch (thrown) {
      endRefused(session, thrown);
    } finally {
      close(session);
    }
  };

  return {
    handle: async (socket, entry) => {
      socket.on('error', () => undefined);
      try {
        await handleSession(socket, entry);
      } catch (thrown) {
        socket.destroy();
        failed(thrown);
      }
    },
    countSessions: () => [...open].filter(({ isTaken }) => isTaken).length,
    waitIdle: () =>
      new Promise((resolve) => {
        onIdle = resolve;
        if (open.size === 0) resolve();
      }),
  };
};

/** Counted by consumer, so that none takes the sessions of another. */
const takeSession = (session: Session, open: ReadonlySet<Session>): void => {
  const own = [...open].filter(({ isTaken, consumer }) => isTaken && consumer === session.consumer);
  if (own.length >= MAX_SESSIONS) {
    refuse('overloaded', `expected at most ${MAX_SESSIONS} sessions of a container`);
  }
  session.isTaken = true;
};

type ReportSession = (
  session: Session,
  name: 'connect' | 'disconnect',
  end: Pick<EndedCall, 'outcome' | 'code'>,
) => void;

const createSessionReport =
  ({ clock, record, ended }: SessionDeps): ReportSession =>
  (session, name, end) => {
    const { socket, run, task, authorization } = session;
    const endedAt = clock.monotonic();
    const call: EndedCall = {
      id: session.id,
      consumer: session.consumer,
      task: task.name,
      run: run?.run,
      service: 'postgres',
      operation: { service: 'postgres', name },
      permissions: authorization?.permissions ?? [],
      isResolved: true,
      ...end,
      bytesIn: socket.bytesRead,
      bytesOut: socket.bytesWritten,
      ms: endedAt - session.startedAt,
      overheadMs: 0,
    };
    record(call);
    if (name !== 'connect' || end.outcome !== 'allowed') ended(call);
  };

/** Reports and answers a session that did not begin. */
const createRefusalEnd =
  ({ failed, noteRefusal }: SessionDeps, report: ReportSession) =>
  (session: Session, thrown: unknown): void => {
    const { socket } = session;
    if (!isExpected(thrown)) failed(thrown);
    const end = toEnd(thrown, session);
    const isSent = thrown instanceof DatabaseError && thrown.kind === 'refused';
    if (end === 'client_closed') {
      if (session.run !== undefined) report(session, 'connect', { outcome: 'cut', code: end });
      return;
    }
    const noted = noteRefusal?.(session, end) ?? end;
    if (!isSent && socket.writable) socket.write(renderDatabaseRefusal(noted));
    const { code } = end;
    const isFailed = thrown instanceof DatabaseError;
    report(session, 'connect', { outcome: isFailed ? 'failed' : 'refused', code });
  };

/** Sessions on loopback: a cancel request there holds no token, only the key that the session alone got. */
const LOOPBACK = '';

/** Creates what passes the cancel requests of clients on, by the tables of their tasks' sessions. */
const createSessionCancels = (deps: SessionDeps) => {
  const byTask = new Map<string, CancelRequests<DatabaseServer>>();
  const getCancels = ({ task: { name } }: SessionEntry): CancelRequests<DatabaseServer> => {
    const found = byTask.get(name) ?? createCancelRequests<DatabaseServer>();
    byTask.set(name, found);
    return found;
  };
  return {
    /** @returns a function that forgets the session */
    add: (
      entry: SessionEntry,
      key: BackendKey | undefined,
      { host, port, caBundle }: DatabaseServer,
    ): (() => void) =>
      key === undefined
        ? () => undefined
        : getCancels(entry).add(entry.consumer ?? LOOPBACK, key, { host, port, caBundle }),
    /** A cancel request has no answer, whatever becomes of it. */
    cancel: async (key: BackendKey, entry: SessionEntry): Promise<void> => {
      const server = getCancels(entry).find(entry.consumer ?? LOOPBACK, key);
      if (server !== undefined) await cancelQuery(server, key, deps).catch(() => undefined);
    },
  };
};

const isExpected = (thrown: unknown): boolean =>
  thrown instanceof RefusedSession || thrown instanceof DatabaseError;

/** Why a session did not begin: the end of its run comes before what followed from it. */
const toEnd = (thrown: unknown, { run, socket }: Session): StartupEnd => {
  if (run?.signal.aborted === true) return run.signal.reason as CallRefusal;
  if (thrown instanceof RefusedSession) return thrown.end;
  if (!(thrown instanceof DatabaseError)) {
    return { code: 'upstream_unreachable', message: 'the gateway failed' };
  }
  // The end of a client's connection closes that of the server.
  if (socket.destroyed && thrown.kind === 'unreachable') return 'client_closed';
  const code = thrown.kind === 'untrusted' ? 'upstream_untrusted' : 'upstream_unreachable';
  return { code, message: thrown.message };
};
