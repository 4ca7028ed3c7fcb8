import { HEARTBEAT_MS, type StreamedRevocation, type StreamLine } from '../contract/authority.ts';
import type { Clock } from '../contract/clock.ts';
import { ExchangeError } from './exchange.ts';
import { SILENCE_MS } from './hearing.ts';
import type { Schedule } from './schedule.ts';
import { expiryOf } from './token-life.ts';

const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 10_000;
const LONGEST_WAIT_MS = 60_000;
/** By then the kubelet, which replaces a token at 80 % of its life, has long written the next. */
const BEFORE_EXPIRY_MS = 30_000;
/** A token that is not replaced in time is presented again, but not without a pause. */
const SHORTEST_SESSION_MS = 2 * HEARTBEAT_MS;
const LONGEST_SESSION_MS = 24 * 3_600_000;

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
export type LostCode = 'ended' | 'goodbye' | 'renewal' | 'silence' | (string & {});

export type FollowingParts = {
  readonly connect: Connect;
  /** Reads the projected token afresh. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  /** A line came: until now every revocation is known. */
  readonly heard: () => void;
  readonly revoked: (active: readonly StreamedRevocation[]) => void;
  /** The first word about revocations of a connection came. */
  readonly connected: () => void;
  /** A connection ended, or none came about. */
  readonly lost: (code: LostCode, message: string) => void;
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
export const follow = (parts: FollowingParts): (() => void) => {
  const { clock, schedule, random } = parts;
  let failures = 0;
  let isStopped = false;
  let stop = (): void => undefined;

  const next = async (): Promise<void> => {
    const abort = new AbortController();
    stop = () => abort.abort('stopped');
    const begunAt = clock.monotonic();
    const { code, message, waitMs } = await session(parts, abort);
    if (isStopped) return;
    parts.lost(code, message);
    failures = clock.monotonic() - begunAt >= HEARTBEAT_MS ? 0 : failures + 1;
    const jitterMs = random() * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures);
    stop = schedule(jitterMs + Math.min(LONGEST_WAIT_MS, waitMs), () => void next());
  };

  void next();
  return () => {
    isStopped = true;
    stop();
  };
};

type Loss = { readonly code: LostCode; readonly message: string; readonly waitMs: number };

/** One connection, from its beginning to its end. Never rejects. */
const session = async (parts: FollowingParts, abort: AbortController): Promise<Loss> => {
  const { schedule } = parts;
  const end = (code: LostCode) => () => abort.abort(code);
  let isConnected = false;
  let cancelSilence = schedule(SILENCE_MS, end('silence'));
  let cancelRenewal = (): void => undefined;
  const onLine = (line: StreamLine): void => {
    if (abort.signal.aborted) return;
    if (line.type === 'goodbye') {
      end('goodbye')();
      return;
    }
    // A heartbeat before the first word about revocations says nothing about them.
    if (line.type === 'heartbeat' && !isConnected) return;
    cancelSilence();
    cancelSilence = schedule(SILENCE_MS, end('silence'));
    if (!isConnected) parts.connected();
    isConnected = true;
    parts.heard();
    if (line.type === 'revocations') parts.revoked(line.active);
  };
  try {
    const token = parts.readToken();
    cancelRenewal = schedule(sessionMs(token, parts.clock), end('renewal'));
    await parts.connect(token, onLine, abort.signal);
    return toLoss(undefined, abort.signal);
  } catch (thrown) {
    return toLoss(thrown, abort.signal);
  } finally {
    cancelSilence();
    cancelRenewal();
  }
};

const sessionMs = (token: string, { now }: Clock): number => {
  const expiry = expiryOf(token) ?? Infinity;
  const leftMs = expiry - now() - BEFORE_EXPIRY_MS;
  return Math.min(LONGEST_SESSION_MS, Math.max(SHORTEST_SESSION_MS, leftMs));
};

const toLoss = (thrown: unknown, { aborted, reason }: AbortSignal): Loss => {
  if (aborted) return { code: String(reason), message: '', waitMs: 0 };
  if (thrown === undefined) return { code: 'ended', message: '', waitMs: 0 };
  if (!(thrown instanceof ExchangeError)) return { code: 'internal_error', message: '', waitMs: 0 };
  const { code, message, retryAfterMs = 0 } = thrown;
  return { code, message, waitMs: retryAfterMs };
};
