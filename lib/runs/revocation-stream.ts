import { computeFullJitterMs } from '../async/backoff.ts';
import {
  HEARTBEAT_INTERVAL_MS,
  type StreamedRevocation,
  type StreamLine,
} from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import { ExchangeError } from '../contract/exchange.ts';
import type { Schedule } from '../contract/schedule.ts';
import { HEARTBEAT_TIMEOUT_MS } from './heartbeat-monitor.ts';

/**
 * Full jitter before the next connection, in milliseconds. `firstMs`: after an end that concerns this stream
 * alone, or that the authority spreads itself. `afterCutMs`: after an open stream was cut, which happens to
 * all streams of a replica in one moment. Both double with each failure, up to `maxMs`.
 */
export const RECONNECT_JITTER = { firstMs: 250, afterCutMs: 2_000, maxMs: 10_000 };
const MAX_WAIT_MS = 60_000;
/** The kubelet replaces a token at 80 % of its lifetime, so a newer one exists long before this. */
const RENEW_BEFORE_EXPIRY_MS = 30_000;
/** The minimum session length if the kubelet did not replace the token in time. */
const MIN_SESSION_MS = 2 * HEARTBEAT_INTERVAL_MS;
const MAX_SESSION_MS = 24 * 3_600_000;
/** Tokens of the kubelet are shorter. */
const MAX_TOKEN_LENGTH = 16 * 1024;

/**
 * Opens one connection to the event stream; resolves when the authority ends it.
 *
 * @throws ExchangeError on every other end
 */
export type Connect = (
  opening: { readonly token: string; readonly followed: readonly string[] },
  onLine: (line: StreamLine) => void,
  signal: AbortSignal,
) => Promise<void>;

/**
 * Why a connection ended: `ended` by the authority; `reconnect` on its request; `renewal` before the
 * token expired; `follow`, because more runs have to be followed; `heartbeat_timeout`; or the code of an ExchangeError.
 */
export type DisconnectReason =
  'ended' | 'reconnect' | 'renewal' | 'follow' | 'heartbeat_timeout' | (string & {});

export type RevocationStreamDeps = {
  readonly connect: Connect;
  /** Reads the projected token from its file. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  /** A line arrived: all revocations until now are known. */
  readonly onContact: () => void;
  readonly onRevocations: (active: readonly StreamedRevocation[]) => void;
  /** Version of the current policies; first after each connection. */
  readonly onPolicies: (version: string) => void;
  /** Runs of other pods whose end has to be known; read before each connection. */
  readonly listFollowed: () => readonly string[];
  /** A connection that follows these runs delivered its first line about revocations, which is applied. */
  readonly onFollowed: (followed: readonly string[]) => void;
  /** A connection delivered its first line about revocations. */
  readonly onConnected: () => void;
  /** A connection ended or could not be opened. */
  readonly onDisconnected: (reason: DisconnectReason, message: string) => void;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
};

/**
 * Subscribes to the authority's event stream, one connection at a time. A connection ends after three
 * missed heartbeats. A new one with the current token starts before the old token expires, on another
 * replica after `reconnect`, and with backoff and full jitter after any other end ({@link RECONNECT_JITTER}).
 *
 * @returns functions that end the subscription, and that replace the connection by one that follows other runs
 */
export const subscribe = (
  deps: RevocationStreamDeps,
): { readonly stop: () => void; readonly reopen: () => void } => {
  const { clock, schedule, random } = deps;
  let failures = 0;
  let isStopped = false;
  let stop = (): void => undefined;
  /** Between two connections, the next one is planned already. */
  let reopen = (): void => undefined;

  const connectNext = async (): Promise<void> => {
    const abort = new AbortController();
    stop = () => abort.abort('stopped');
    reopen = () => abort.abort('follow');
    const startedAt = clock.monotonic();
    const { reason, message, waitMs, isCut } = await runSession(deps, abort);
    reopen = () => undefined;
    if (isStopped) return;
    deps.onDisconnected(reason, message);
    if (reason === 'follow') {
      void connectNext();
      return;
    }
    failures = clock.monotonic() - startedAt >= HEARTBEAT_INTERVAL_MS ? 0 : failures + 1;
    const { afterCutMs, maxMs } = RECONNECT_JITTER;
    const firstMs = isCut ? afterCutMs : RECONNECT_JITTER.firstMs;
    const jitterMs = computeFullJitterMs(failures + 1, { firstMs, maxMs, random });
    stop = schedule(jitterMs + Math.min(MAX_WAIT_MS, waitMs), () => void connectNext());
  };

  void connectNext();
  return {
    stop: () => {
      isStopped = true;
      stop();
    },
    reopen: () => reopen(),
  };
};

type Disconnect = {
  readonly reason: DisconnectReason;
  readonly message: string;
  readonly waitMs: number;
  /** Whether the stream was open and ended without an announcement of the authority. */
  readonly isCut: boolean;
};

/** Ends of one stream alone, and those that the authority spreads over time. */
const ANNOUNCED: ReadonlySet<DisconnectReason> = new Set([
  'ended',
  'reconnect',
  'renewal',
  'follow',
]);

/** Runs one connection until it ends. Never rejects. */
const runSession = async (
  deps: RevocationStreamDeps,
  abort: AbortController,
): Promise<Disconnect> => {
  const { schedule } = deps;
  const end = (reason: DisconnectReason) => () => abort.abort(reason);
  const followed = deps.listFollowed();
  let isConnected = false;
  let cancelTimeout = schedule(HEARTBEAT_TIMEOUT_MS, end('heartbeat_timeout'));
  let cancelRenewal = (): void => undefined;
  const onLine = (line: StreamLine): void => {
    if (abort.signal.aborted) return;
    if (line.type === 'reconnect') {
      end('reconnect')();
      return;
    }
    // A heartbeat before the first line about revocations says nothing about them.
    if (line.type !== 'revocations' && !isConnected) return;
    cancelTimeout();
    cancelTimeout = schedule(HEARTBEAT_TIMEOUT_MS, end('heartbeat_timeout'));
    const isFirst = !isConnected;
    if (isFirst) deps.onConnected();
    isConnected = true;
    deps.onContact();
    if (line.type === 'policies') deps.onPolicies(line.version);
    if (line.type === 'revocations') deps.onRevocations(line.active);
    if (isFirst) deps.onFollowed(followed);
  };
  try {
    const token = deps.readToken();
    cancelRenewal = schedule(computeSessionMs(token, deps.clock), end('renewal'));
    await deps.connect({ token, followed }, onLine, abort.signal);
    return toDisconnect(undefined, { signal: abort.signal, isConnected });
  } catch (thrown) {
    return toDisconnect(thrown, { signal: abort.signal, isConnected });
  } finally {
    cancelTimeout();
    cancelRenewal();
  }
};

const computeSessionMs = (token: string, { now }: Clock): number => {
  const expiresAt = readTokenExpiration(token) ?? Infinity;
  const leftMs = expiresAt - now() - RENEW_BEFORE_EXPIRY_MS;
  return Math.min(MAX_SESSION_MS, Math.max(MIN_SESSION_MS, leftMs));
};

/**
 * Reads `exp` of a JWT (RFC 7519, section 4.1.4) in milliseconds since the epoch; undefined if it
 * cannot be read. The token is the pod's own and is not verified: `exp` only times the renewal.
 */
const readTokenExpiration = (token: string): number | undefined => {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  try {
    const claims = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'),
    ) as { exp?: unknown } | null;
    return typeof claims?.exp === 'number' ? claims.exp * 1000 : undefined;
  } catch {
    return undefined;
  }
};

const toDisconnect = (
  thrown: unknown,
  { signal, isConnected }: { readonly signal: AbortSignal; readonly isConnected: boolean },
): Disconnect => {
  const end = toEnd(thrown, signal);
  return { ...end, isCut: isConnected && !ANNOUNCED.has(end.reason) };
};

const toEnd = (thrown: unknown, { aborted, reason }: AbortSignal): Omit<Disconnect, 'isCut'> => {
  if (aborted) return { reason: String(reason), message: '', waitMs: 0 };
  if (thrown === undefined) return { reason: 'ended', message: '', waitMs: 0 };
  if (!(thrown instanceof ExchangeError)) {
    return { reason: 'internal_error', message: '', waitMs: 0 };
  }
  const { code, message, retryAfterMs = 0 } = thrown;
  return { reason: code, message, waitMs: retryAfterMs };
};
