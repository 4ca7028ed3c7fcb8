import type { Schedule } from '../contract/schedule.ts';
import type { AdmittedTasks } from '../contract/task.ts';
import type { ActiveRun } from './active-runs.ts';
import { waitForAnswer, type RunResult } from './response-timeout.ts';
import { runEndedBeforeUse, type RunRefusal } from './run-refusal.ts';
import type { RunRegistry } from './run-registry.ts';
import { selectTask } from './task-selection.ts';

/** A request for the credentials of a task without params. */
export type CredentialsRequest = {
  readonly origin: RequestOrigin;
  /** The task that the path names; undefined: the consumer's default task. */
  readonly taskName: string | undefined;
  /** How long the request may wait for an exchange; called only if there is one to wait for. */
  readonly getTimeoutMs: () => number;
};

/**
 * Where a request came in. Only its consumer can reach a consumer's own socket, because the mount is
 * the identity. All consumers share the loopback listener, so each request there is authenticated.
 */
export type RequestOrigin =
  | { readonly kind: 'socket'; readonly consumer: string }
  | { readonly kind: 'loopback'; readonly authenticate: () => AuthenticationResult };

export type AuthenticationResult =
  { readonly kind: 'consumer'; readonly consumer: string } | RunRefusal;

export type CredentialsResponse =
  | { readonly kind: 'credentials'; readonly body: Buffer }
  | { readonly kind: 'unauthenticated'; readonly refusal: RunRefusal }
  | RunRefusal;

export type CredentialsRequestDeps = {
  readonly admitted: AdmittedTasks;
  readonly registry: Pick<RunRegistry, 'findRun' | 'startRun' | 'getProgress' | 'markServed'>;
  readonly schedule: Schedule;
};

/**
 * Handles one request for credentials, from authentication to the response: a fresh run is served; a
 * stale one is served and renewed in the background; without either, all callers wait for one exchange.
 *
 * @param respond is called once, in the same turn as the last check. A returned promise would leave a
 *   gap in which a revocation could erase the credentials between the check and the response
 * @returns a promise only if the response has to wait for an exchange
 */
export const handleCredentialsRequest = (
  { origin, taskName, getTimeoutMs }: CredentialsRequest,
  { admitted, registry, schedule }: CredentialsRequestDeps,
  respond: (response: CredentialsResponse) => void,
): void | Promise<void> => {
  const caller = authenticateConsumer(origin);
  if (caller.kind === 'refusal') {
    respond({ kind: 'unauthenticated', refusal: caller });
    return;
  }
  const { consumer } = caller;
  const selected = selectTask(admitted, { consumer, taskName });
  if (selected.kind === 'refusal') {
    respond(selected);
    return;
  }
  const { task } = selected;

  const found = registry.findRun(consumer, task);
  if (found.freshness === 'fresh') {
    respond(serve(found.run, registry));
    return;
  }
  const answer = registry.startRun(consumer, task);
  if (found.freshness === 'stale') {
    respond(serve(found.run, registry));
    return;
  }
  const timeoutMs = getTimeoutMs();
  const getProgress = (): RunRefusal => registry.getProgress(consumer, task);
  return waitForAnswer(answer, { timeoutMs, schedule, getProgress }).then((result) =>
    respond(serve(result, registry)),
  );
};

/** Identifies the consumer that sent a request. */
export const authenticateConsumer = (origin: RequestOrigin): AuthenticationResult =>
  origin.kind === 'socket'
    ? { kind: 'consumer', consumer: origin.consumer }
    : origin.authenticate();

type Servable = Pick<RunRegistry, 'markServed'>;

const serve = (result: RunResult, registry: Servable): CredentialsResponse => {
  if (result.kind === 'refusal') return result;
  return checkServable(result, registry) ?? renderCredentials(result);
};

/**
 * The last check before a run's credentials leave the sidecar; marks the run as served. Respond in
 * the same turn.
 *
 * @returns the refusal to send if the credentials must not leave
 */
export const checkServable = (run: ActiveRun, { markServed }: Servable): RunRefusal | undefined =>
  markServed(run) ? undefined : runEndedBeforeUse;

/** The body was encoded once, when the run started: serving it again allocates no copy of a secret. */
const renderCredentials = ({ credentials }: ActiveRun): CredentialsResponse => ({
  kind: 'credentials',
  body: credentials,
});
