import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { authorizeDatabaseSession } from '../../calls/authorize-database-session.ts';
import { refuseCanary } from '../../calls/canaries.ts';
import type { CallAuthorization } from '../../calls/authorize-call.ts';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import type { CallRun, CallRuns } from '../../calls/call-runs.ts';
import { buildCallContent } from '../../calls/call-content.ts';
import { createGateCheck, type GateCheckDeps } from '../../calls/gate-check.ts';
import { renderDatabaseRefusal } from '../../calls/database-refusals.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import type { NoteRefusal } from '../../calls/noted-refusals.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Task } from '../../contract/task.ts';
import type { PostgresSecret } from '../../contract/upstream.ts';
import { createCancelRequests, type CancelRequests } from '../../postgres/cancel-requests.ts';
import { renderNegotiation, type BackendKey, type StartupPacket } from '../../postgres/startup.ts';
import type { LocalKeyOwner } from '../../runs/local-keys.ts';
import { readClientPassword, readClientStartup, type StartupEnd } from './client-startup.ts';
import { DatabaseError } from './database-error.ts';
import {
  cancelQuery,
  connectServer,
  type ConnectDeps,
  type DatabaseServer,
} from './server-connection.ts';
import { logIn } from './server-login.ts';
import { pipeSession } from './session-pipe.ts';

export type SessionDeps = ConnectDeps &
  GateCheckDeps & {
    readonly resolveRun: CallRuns['resolve'];
    /** The consumer whose loopback token a password is. */
    readonly identifyToken: (token: string) => string | undefined;
    readonly isJournalBlocked: () => boolean;
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

/** Where a client connected. */
export type SessionEntry = {
  readonly task: Task;
  /** Whose socket it is; absent: loopback. */
  readonly consumer?: string | undefined;
  /** Assigns a connection on loopback to its consumer, or closes it. */
  readonly identified?: ((consumer: string) => void) | undefined;
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

type Startup = Extract<StartupPacket, { kind: 'startup' }>;

/** What is known of a session so far. */
type Session = {
  readonly id: string;
  readonly startedAt: number;
  readonly socket: Socket;
  readonly task: Task;
  consumer: string | undefined;
  /** Whether it counts as a session of its consumer. */
  isTaken?: true;
  run?: CallRun;
  authorization?: CallAuthorization;
};

/** Ends a session that has not begun. */
class RefusedSession extends Error {
  readonly end: StartupEnd;
  constructor(end: StartupEnd) {
    super('refused');
    this.end = end;
  }
}

const refuse = (code: CallRefusal['code'], message: string): never => {
  throw new RefusedSession({ code, message });
};

const requireRead = <T>(read: { kind: 'read'; value: T } | { kind: 'end'; end: StartupEnd }): T => {
  if (read.kind === 'end') throw new RefusedSession(read.end);
  return read.value;
};

/** Creates what serves the clients of all PostgreSQL tasks of a pod. */
export const createSessionHandler = (deps: SessionDeps): SessionHandler => {
  const { clock, createId, record, ended, failed } = deps;
  const cancels = new Map<string, CancelRequests<DatabaseServer>>();
  const open = new Set<Session>();
  let onIdle = (): void => undefined;

  const report = (session: Session, name: string, end: Pick<EndedCall, 'outcome' | 'code'>) => {
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

  const getCancels = ({ name }: Task): CancelRequests<DatabaseServer> => {
    const found = cancels.get(name) ?? createCancelRequests<DatabaseServer>();
    cancels.set(name, found);
    return found;
  };

  const steps = createSteps(deps);

  /** Counted by consumer, so that none takes the sessions of another. */
  const takeSession = (session: Session): void => {
    const own = [...open].filter(
      ({ isTaken, consumer }) => isTaken && consumer === session.consumer,
    );
    if (own.length >= MAX_SESSIONS) {
      refuse('overloaded', `expected at most ${MAX_SESSIONS} sessions of a container`);
    }
    session.isTaken = true;
  };

  /** A cancel request has no answer, whatever becomes of it. */
  const cancel = async (key: BackendKey, { task, consumer = LOOPBACK }: SessionEntry) => {
    const server = getCancels(task).find(consumer, key);
    if (server !== undefined) await cancelQuery(server, key, deps).catch(() => undefined);
  };

  const serve = async (session: Session, packet: Startup, entry: SessionEntry): Promise<void> => {
    const { socket } = session;
    await steps.identify(session, entry);
    takeSession(session);
    const secret = await steps.enterRun(session, packet);
    const database = steps.authorize(session, packet, secret);
    await steps.passGates(session);
    const { server, key } = await steps.connect(session, packet, { secret, database });
    const { host, port, caBundle } = secret;
    const forget =
      key === undefined
        ? () => undefined
        : getCancels(entry.task).add(entry.consumer ?? LOOPBACK, key, { host, port, caBundle });
    try {
      report(session, 'connect', { outcome: 'allowed' });
      const end = await pipeSession(socket, server, session.run?.signal);
      report(session, 'disconnect', end);
    } finally {
      forget();
    }
  };

  const endRefused = (session: Session, thrown: unknown): void => {
    const { socket } = session;
    if (!isExpected(thrown)) failed(thrown);
    const end = toEnd(thrown, session);
    const isSent = thrown instanceof DatabaseError && thrown.kind === 'refused';
    if (end === 'client_closed') {
      if (session.run !== undefined) report(session, 'connect', { outcome: 'cut', code: end });
      return;
    }
    const noted = deps.noteRefusal?.(session, end) ?? end;
    if (!isSent && socket.writable) socket.write(renderDatabaseRefusal(noted));
    const { code } = end;
    const isFailed = thrown instanceof DatabaseError;
    report(session, 'connect', { outcome: isFailed ? 'failed' : 'refused', code });
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
      await (packet.kind === 'cancel' ? cancel(packet.key, entry) : serve(session, packet, entry));
    } catch (thrown) {
      endRefused(session, thrown);
    } finally {
      close(session);
    }
  };

  const handle = async (socket: Socket, entry: SessionEntry): Promise<void> => {
    socket.on('error', () => undefined);
    try {
      await handleSession(socket, entry);
    } catch (thrown) {
      socket.destroy();
      failed(thrown);
    }
  };

  return {
    handle,
    countSessions: () => [...open].filter(({ isTaken }) => isTaken).length,
    waitIdle: () =>
      new Promise((resolve) => {
        onIdle = resolve;
        if (open.size === 0) resolve();
      }),
  };
};

/** Sessions on loopback: a cancel request there holds no token, only the key that the session alone got. */
const LOOPBACK = '';

/** The steps of a login, in their order. Each throws to end it. */
const createSteps = (deps: SessionDeps) => {
  const { resolveRun, identifyToken, isJournalBlocked } = deps;
  const checkGates = createGateCheck(deps);

  const findOwner = ({ task, consumer = '' }: Session, { user }: Startup): LocalKeyOwner => {
    if (Object.keys(task.params).length === 0) return { consumer, task: task.name };
    return user === ''
      ? refuse(
          'request_malformed',
          `the task ${task.name} has params: start a run with POST /v1/tasks/${task.name}/runs and connect with its ID as user`,
        )
      : { consumer, task: '', run: user };
  };

  return {
    identify: async (session: Session, { identified }: SessionEntry): Promise<void> => {
      const { socket, task } = session;
      if (isJournalBlocked()) {
        refuse('audit_unavailable', 'the log of the sidecar does not take the journal of calls');
      }
      if (session.consumer !== undefined) return;
      const consumer = identifyToken(requireRead(await readClientPassword(socket)));
      if (consumer === undefined) {
        refuse(
          'key_required',
          'expected the content of the file /var/run/valetkey/token as password, or the socket in /var/run/valetkey',
        );
      } else if (!task.containers.includes(consumer)) {
        refuse('route_unknown', `task ${task.name} is not declared for this container`);
      } else {
        session.consumer = consumer;
        identified?.(consumer);
      }
    },
    enterRun: async (session: Session, packet: Startup): Promise<PostgresSecret> => {
      const run = await resolveRun(findOwner(session, packet));
      if ('code' in run) throw new RefusedSession(run);
      session.run = run;
      const { secret } = run;
      if (run.task !== session.task.name || secret?.kind !== 'postgres') {
        return refuse('run_ended', `expected a run of task ${session.task.name}`);
      }
      return secret;
    },
    authorize: (session: Session, packet: Startup, { upstream }: PostgresSecret): string => {
      const { task, allow = [] } = session.run ?? { task: '' };
      const { database, ...authorization } = authorizeDatabaseSession(packet, {
        ...{ upstream, task, allow },
      });
      const decision =
        session.run === undefined ? authorization : refuseCanary(session.run, authorization);
      session.authorization = decision;
      const { refusal } = decision;
      if (refusal !== undefined) throw new RefusedSession(refusal);
      return database;
    },
    /** Nothing within a session is read, so that its size and strings are unknown. */
    passGates: async ({ id, run, authorization }: Session): Promise<void> => {
      if (run === undefined || authorization === undefined) {
        return refuse('run_ended', 'the session has no run');
      }
      const operation = { service: 'postgres', name: 'connect' };
      const record = { id, operation, authorization };
      const describe = () =>
        buildCallContent({
          ...{ origin: '', method: 'connect', path: '', query: [], headers: new Map() },
          body: { none: true },
          permissions: authorization.permissions,
        });
      const refusal = await checkGates(record, run, { bytes: undefined, describe });
      if (refusal !== undefined) throw new RefusedSession(refusal);
    },
    connect: async (
      { socket, run }: Session,
      { parameters, negotiation }: Startup,
      { secret, database }: { secret: PostgresSecret; database: string },
    ): Promise<{ server: TLSSocket; key: BackendKey | undefined }> => {
      const { user, password } = secret;
      const server = await connectServer(secret, deps, run?.signal);
      // No event follows for what has ended meanwhile.
      if (socket.destroyed || run?.signal.aborted === true) {
        server.destroy();
        throw new RefusedSession('client_closed');
      }
      const destroy = (): void => void server.destroy();
      run?.signal.addEventListener('abort', destroy, { once: true });
      socket.once('close', destroy);
      try {
        if (negotiation !== undefined) socket.write(renderNegotiation(negotiation));
        const forward = (bytes: Buffer): void => void socket.write(bytes);
        return {
          server,
          ...(await logIn(server, { user, password, database, parameters }, forward)),
        };
      } catch (thrown) {
        server.destroy();
        throw thrown;
      }
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
