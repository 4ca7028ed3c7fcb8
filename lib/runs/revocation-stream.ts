import { computeFullJitterMs } from '../async/backoff.ts';
import {
  HEARTBEAT_INTERVAL_MS,
  type StreamedRevocation,
  type StreamLine,
} from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { HEARTBEAT_TIMEOUT_MS } from './heartbeat-monitor.ts';
import type { Schedule } from '../contract/schedule.ts';
import { readTokenExpiration } from './token-expiration.ts';

const BACKOFF = { firstMs: 250, maxMs: 10_000 };
const MAX_WAIT_MS = 60_000;
/** By then the kubelet, which replaces a token at 80 % of its life, has long written the next. */
const RENEW_BEFORE_EXPIRY_MS = 30_000;
/** A token that is not replaced in time is presented again, but not without a pause. */
const MIN_SESSION_MS = 2 * HEARTBEAT_INTERVAL_MS;
const MAX_SESSION_MS = 24 * 3_600_000;

/**
 * One connection to the stream: resolves when the other side ends it.
 *
 * @throws ExchangeError on every other end
 */
export type Connect = (
  token: string,
  onLine: (line: StreamLine) => void,
  signal: AbortSignal,
) => Promise<void>;

/** Why there is no stream: `ended` by the other side, `goodbye`, `renewal` and `silence` by us. */
export type DisconnectReason = 'ended' | 'goodbye' | 'renewal' | 'silence' | (string & {});

export type RevocationStreamDeps = {
  readonly connect: Connect;
  /** Reads the projected token afresh. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  /** A line came: until now every revocation is known. */
  readonly onContact: () => void;
  readonly onRevocations: (active: readonly StreamedRevocation[]) => void;
  /** The first word about revocations of a connection came. */
  readonly onConnected: () => void;
  /** A connection ended, or none came about. */
  readonly onDisconnected: (code: DisconnectReason, message: string) => void;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
};

/**
 * Follows the authority's stream: one connection at a time, given up after three heartbeats of
 * silence, begun anew with a fresh token before the token's end, at another replica after a goodbye,
 * and with backoff and full jitter after everything else.
 *
 * @returns ends it
 */
export const subscribe = (parts: RevocationStreamDeps): (() => void) => {
  const { clock, schedule, random } = parts;
  let failures = 0;
  let isStopped = false;
  let stop = (): void => undefined;

  const next = async (): Promise<void> => {
    const abort = new AbortController();
    stop = () => abort.abort('stopped');
    const begunAt = clock.monotonic();
    const { code, message, waitMs } = await runSession(parts, abort);
    if (isStopped) return;
    parts.onDisconnected(code, message);
    failures = clock.monotonic() - begunAt >= HEARTBEAT_INTERVAL_MS ? 0 : failures + 1;
    const jitterMs = computeFullJitterMs(failures + 1, { ...BACKOFF, random });
    stop = schedule(jitterMs + Math.min(MAX_WAIT_MS, waitMs), () => void next());
  };

  void next();
  return () => {
    isStopped = true;
    stop();
  };
};

type Disconnect = {
  readonly code: DisconnectReason;
  readonly message: string;
  readonly waitMs: number;
};

/** One connection, from its beginning to its end. Never rejects. */
const runSession = async (
  parts: RevocationStreamDeps,
  abort: AbortController,
): Promise<Disconnect> => {
  const { schedule } = parts;
  const end = (code: DisconnectReason) => () => abort.abort(code);
  let isConnected = false;
  let cancelTimeout = schedule(HEARTBEAT_TIMEOUT_MS, end('silence'));
  let cancelRenewal = (): void => undefined;
  const onLine = (line: StreamLine): void => {
    if (abort.signal.aborted) return;
    if (line.type === 'goodbye') {
      end('goodbye')();
      return;
    }
    // A heartbeat before the first word about revocations says nothing about them.
    if (line.type === 'heartbeat' && !isConnected) return;
    cancelTimeout();
    cancelTimeout = schedule(HEARTBEAT_TIMEOUT_MS, end('silence'));
    if (!isConnected) parts.onConnected();
    isConnected = true;
    parts.onContact();
    if (line.type === 'revocations') parts.onRevocations(line.active);
  };
  try {
    const token = parts.readToken();
    cancelRenewal = schedule(computeSessionMs(token, parts.clock), end('renewal'));
    await parts.connect(token, onLine, abort.signal);
    return toDisconnect(undefined, abort.signal);
  } catch (thrown) {
    return toDisconnect(thrown, abort.signal);
  } finally {
    cancelTimeout();
    cancelRenewal();
  }
};

const computeSessionMs = (token: string, { now }: Clock): number => {
  const expiry = readTokenExpiration(token) ?? Infinity;
  const leftMs = expiry - now() - RENEW_BEFORE_EXPIRY_MS;
  return Math.min(MAX_SESSION_MS, Math.max(MIN_SESSION_MS, leftMs));
};

const toDisconnect = (thrown: unknown, { aborted, reason }: AbortSignal): Disconnect => {
  if (aborted) return { code: String(reason), message: '', waitMs: 0 };
  if (thrown === undefined) return { code: 'ended', message: '', waitMs: 0 };
  if (!(thrown instanceof ExchangeError)) return { code: 'internal_error', message: '', waitMs: 0 };
  const { code, message, retryAfterMs = 0 } = thrown;
  return { code, message, waitMs: retryAfterMs };
};
