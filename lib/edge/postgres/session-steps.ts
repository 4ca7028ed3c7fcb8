import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { authorizeDatabaseSession } from '../../calls/database-session-authorization.ts';
import type { CallAuthorization } from '../../calls/call-authorization.ts';
import { buildCallContent } from '../../calls/call-content.ts';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import type { CallRun, CallRuns } from '../../calls/call-runs.ts';
import { refuseCanary } from '../../calls/canaries.ts';
import { createGateCheck, type GateCheckDeps } from '../../calls/gate-check.ts';
import type { Task } from '../../contract/task.ts';
import type { PostgresSecret } from '../../contract/upstream.ts';
import { renderNegotiation, type BackendKey, type StartupPacket } from '../../postgres/startup.ts';
import type { LocalKeyOwner } from '../../runs/local-keys.ts';
import { readClientPassword, type StartupEnd } from './client-startup.ts';
import { connectServer, type ConnectDeps } from './server-connection.ts';
import { logIn } from './server-login.ts';

export type SessionStepDeps = ConnectDeps &
  GateCheckDeps & {
    readonly resolveRun: CallRuns['resolve'];
    /** The consumer whose loopback token a password is. */
    readonly identifyToken: (token: string) => string | undefined;
    readonly isJournalBlocked: () => boolean;
  };

/** Where a client connected. */
export type SessionEntry = {
  readonly task: Task;
  /** Whose socket it is; absent: loopback. */
  readonly consumer?: string | undefined;
  /** Assigns a connection on loopback to its consumer, or closes it. */
  readonly identified?: ((consumer: string) => void) | undefined;
};

export type Startup = Extract<StartupPacket, { kind: 'startup' }>;

/** What is known of a session so far. */
export type Session = {
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
export class RefusedSession extends Error {
  readonly end: StartupEnd;
  constructor(end: StartupEnd) {
    super('refused');
    this.end = end;
  }
}

export const refuse = (code: CallRefusal['code'], message: string): never => {
  throw new RefusedSession({ code, message });
};

export const requireRead = <T>(
  read: { kind: 'read'; value: T } | { kind: 'end'; end: StartupEnd },
): T => {
  if (read.kind === 'end') throw new RefusedSession(read.end);
  return read.value;
};

/** The steps of a login, in their order. Each throws to end it. */
export const createSessionSteps = (deps: SessionStepDeps) => ({
  identify: createIdentification(deps),
  enterRun: createRunStep(deps),
  authorize,
  passGates: createGateStep(deps),
  connect: createConnectStep(deps),
});

const createIdentification =
  ({ identifyToken, isJournalBlocked }: SessionStepDeps) =>
  async (session: Session, { identified }: SessionEntry): Promise<void> => {
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
  };

const findOwner = ({ task, consumer = '' }: Session, { user }: Startup): LocalKeyOwner => {
  if (Object.keys(task.params).length === 0) return { consumer, task: task.name };
  return user === ''
    ? refuse(
        'request_malformed',
        `the task ${task.name} has params: start a run with POST /v1/tasks/${task.name}/runs and connect with its ID as user`,
      )
    : { consumer, task: '', run: user };
};

const createRunStep =
  ({ resolveRun }: SessionStepDeps) =>
  async (session: Session, packet: Startup): Promise<PostgresSecret> => {
    const run = await resolveRun(findOwner(session, packet));
    if ('code' in run) throw new RefusedSession(run);
    session.run = run;
    const { secret } = run;
    if (run.task !== session.task.name || secret?.kind !== 'postgres') {
      return refuse('run_ended', `expected a run of task ${session.task.name}`);
    }
    return secret;
  };

/** @returns the name of the database */
const authorize = (session: Session, packet: Startup, { upstream }: PostgresSecret): string => {
  const { task, allow = [] } = session.run ?? { task: '' };
  const { database, ...authorization } = authorizeDatabaseSession(packet, {
    upstream,
    task,
    allow,
  });
  const decision =
    session.run === undefined ? authorization : refuseCanary(session.run, authorization);
  session.authorization = decision;
  const { refusal } = decision;
  if (refusal !== undefined) throw new RefusedSession(refusal);
  return database;
};

/** Nothing within a session is read, so that its size and strings are unknown. */
const createGateStep = (deps: SessionStepDeps) => {
  const checkGates = createGateCheck(deps);
  return async ({ id, run, authorization }: Session): Promise<void> => {
    if (run === undefined || authorization === undefined) {
      return refuse('run_ended', 'the session has no run');
    }
    const operation = { service: 'postgres', name: 'connect' };
    const record = { id, operation, authorization };
    const describe = () =>
      buildCallContent({
        origin: '',
        method: 'connect',
        path: '',
        query: [],
        headers: new Map(),
        body: { none: true },
        permissions: authorization.permissions,
      });
    const refusal = await checkGates(record, run, { bytes: undefined, describe });
    if (refusal !== undefined) throw new RefusedSession(refusal);
  };
};

const createConnectStep =
  (deps: SessionStepDeps) =>
  async (
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
  };
