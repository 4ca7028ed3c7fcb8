import type { Recorder } from '../audit/audit-event.ts';
import type { RevocationSpec } from '../contract/authority-api.ts';
import { isRunId } from '../grant/run-ids.ts';
import { readSpiffeId } from '../grant/spiffe-id.ts';
import { SignalError, type SignalToken, type SignalVerifier } from '../identity/signal-token.ts';
import type { UseOnceGuard } from '../identity/use-once.ts';
import { formatTarget } from '../revocation/observed-revocations.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { isMapping, toMapping, type Mapping } from '../schema/mapping.ts';
import { object, read, string, stringEnum } from '../schema/reader.ts';

export type SignalDeps = {
  readonly verifySignal: SignalVerifier;
  readonly useOnce: Pick<UseOnceGuard, 'find' | 'consume'>;
  /** @returns 0, or the milliseconds until the transmitter may push again */
  readonly takeForTransmitter: (transmitter: string) => number;
  /** The same for Revocations that signals create: every replica watches them. */
  readonly takeForRevocation: (transmitter: string) => number;
  /** `exists`: the name is in use. Rejects if the API server fails. */
  readonly createRevocation: (name: string, spec: RevocationSpec) => Promise<'created' | 'exists'>;
  /** @throws AuditError */
  readonly record: Recorder;
  readonly trustDomain: string;
  /** The authority's own name at the API server. */
  readonly by: string;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
};

/** What became of a signal. `error` is what the transmitter is answered; absent: 202. */
export type SignalOutcome = {
  readonly transmitter?: string;
  readonly outcome: 'revoked' | 'ignored' | 'replayed' | 'refused' | 'limited' | 'unavailable';
  readonly error?: SignalError;
  readonly retryAfterMs?: number;
};

/** The events that revoke, by their short names. CAEP 1.0, section 3.1; RISC 1.0, section 2.7. */
const EVENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['https://schemas.openid.net/secevent/caep/event-type/session-revoked', 'session-revoked'],
  [
    'https://schemas.openid.net/secevent/risc/event-type/credential-compromise',
    'credential-compromise',
  ],
]);

/** New runs of a task may start again afterwards; the ended ones stay ended. */
const REVOKED_MS = 3_600_000;

/**
 * Receives a security event token (RFC 8417) that a transmitter pushed (RFC 8935). All that it can cause is a
 * Revocation. That exists before the token counts as used: a transmitter repeats what was not answered, and a
 * repetition finds the Revocation by its name.
 *
 * @throws AuditError, and internal errors
 */
export const receiveSignal = async (token: string, deps: SignalDeps): Promise<SignalOutcome> => {
  let transmitter: string | undefined;
  try {
    const signal = await deps.verifySignal(token);
    ({ transmitter } = signal);
    return { transmitter, ...(await applySignal(signal, deps)) };
  } catch (error) {
    if (!(error instanceof SignalError)) throw error;
    const outcome = error.code === 'unavailable' ? 'unavailable' : 'refused';
    return { ...(transmitter !== undefined && { transmitter }), outcome, error };
  }
};

const applySignal = async (
  signal: SignalToken,
  deps: SignalDeps,
): Promise<Omit<SignalOutcome, 'transmitter'>> => {
  const { transmitter, digest, expiresAt, claims } = signal;
  const waitMs = deps.takeForTransmitter(transmitter);
  if (waitMs > 0) return limit(waitMs);
  const types = listEventTypes(claims);
  if (types.length === 0) return { outcome: 'ignored' };
  const target = readTarget(claims, deps.trustDomain);
  if ((await askKubernetes(deps.useOnce.find(digest))) !== undefined) {
    const error = new SignalError('invalid_request', 'jti: expected one that was not used before');
    return { outcome: 'replayed', error };
  }
  const budgetMs = deps.takeForRevocation(transmitter);
  if (budgetMs > 0) return limit(budgetMs);
  const name = `signal-${digest.slice(0, 20)}`;
  const at = deps.now();
  // A run has no `until`: its ticket would be accepted again then. Garbage collection deletes it at last.
  const until = target.task && new Date(at + REVOKED_MS).toISOString();
  const reason = `signal ${types.join(', ')} of ${transmitter}`.slice(0, 256);
  const spec = { ...target, reason, by: deps.by, ...(until !== undefined && { until }) };
  await askKubernetes(deps.createRevocation(name, spec));
  await deps.record({
    kind: 'signal.received',
    at,
    subject: name,
    reason: types.join(' '),
    ...(target.run !== undefined && { run: target.run }),
    ...(target.task !== undefined && { task: target.task.task }),
    message: `${formatTarget({ ...target, reason, by: deps.by })} revoked by ${transmitter}`,
  });
  await askKubernetes(deps.useOnce.consume({ kind: 'signal', digest, expiresAt }));
  return { outcome: 'revoked' };
};

const limit = (retryAfterMs: number): Omit<SignalOutcome, 'transmitter'> => ({
  outcome: 'limited',
  error: new SignalError('unavailable', 'too many signals; push again after Retry-After'),
  retryAfterMs,
});

const askKubernetes = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((cause: unknown) => {
    throw new SignalError('unavailable', 'the API server did not answer', { cause });
  });

/** Events of other types are accepted without effect, as the test events of transmitters are. */
const listEventTypes = ({ events }: Mapping): readonly string[] => {
  if (!isMapping(events) || !Object.values(events).every(isMapping)) {
    throw new SignalError('invalid_request', 'events: expected a mapping of types to mappings');
  }
  return Object.keys(events)
    .flatMap((type) => EVENT_TYPES.get(type) ?? [])
    .sort();
};

const subject = object({
  format: stringEnum(['opaque', 'uri']),
  id: string({ expected: 'an ID of at most 512 characters', maxLength: 512 }),
});

/** `sub_id` (RFC 9493), or `subject` of each event, as transmitters of earlier drafts send it. */
const readTarget = (
  { sub_id: given, events }: Mapping,
  trustDomain: string,
): Pick<RevocationSpec, 'run' | 'task'> => {
  const subjects = Object.entries(toMapping(events)).flatMap(([type, event]) =>
    EVENT_TYPES.has(type) ? [toMapping(event)['subject']] : [],
  );
  const named = given === undefined ? subjects : [given];
  const targets = named.map((each) => {
    const found = read(subject, each, 'subject');
    if (!found.ok) {
      throw new SignalError('invalid_request', found.faults.map(formatFieldError).join('; '));
    }
    return findTarget(found.value.id, trustDomain);
  });
  const [target, ...others] = targets;
  if (target !== undefined && others.every((each) => formatKey(each) === formatKey(target))) {
    return target;
  }
  throw new SignalError('invalid_request', 'subject: expected the same in each event');
};

const formatKey = (target: object): string => JSON.stringify(target);

/** A run ID; the name of its session, `<pod>@<run>`; or the SPIFFE ID of a task. */
const findTarget = (id: string, trustDomain: string): Pick<RevocationSpec, 'run' | 'task'> => {
  const run = id.slice(id.lastIndexOf('@') + 1);
  if (isRunId(run)) return { run };
  const task = readSpiffeId(id, trustDomain);
  if (task !== undefined) return { task };
  const expected = 'a run, the name of its session, or the SPIFFE ID of a task of this platform';
  throw new SignalError('invalid_request', `subject: expected ${expected}`);
};
