import { describe, expect, test } from '@jest/globals';

import type { StreamLine } from '../contract/authority-api.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { subscribe } from './revocation-stream.ts';

type Session = {
  readonly token: string;
  readonly say: (line: StreamLine) => void;
  readonly signal: AbortSignal;
  readonly end: () => void;
  readonly fail: (error: Error) => void;
};

const firstLine: StreamLine = { type: 'revocations', active: [] };

/** A JWT that lives for so many seconds from now on. */
const buildToken = (seconds: number, now: number): string => {
  const claims = { exp: now / 1000 + seconds };
  return `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
};

const setUpSubscription = ({ lifeSeconds = 600, random = 0 } = {}) => {
  const time = createFakeTime();
  const sessions: Session[] = [];
  const events: string[] = [];
  const stop = subscribe({
    ...time,
    random: () => random,
    readToken: () => buildToken(lifeSeconds, time.clock.now()),
    connect: (token, say, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
        sessions.push({ token, say, signal, end: resolve, fail: reject });
      }),
    onContact: () => events.push('heard'),
    onRevocations: (active) => events.push(`revoked ${active.map(({ name }) => name).join()}`),
    onConnected: () => events.push('connected'),
    onDisconnected: (code) => events.push(`lost ${code}`),
  });
  const last = (): Session => {
    const session = sessions.at(-1);
    if (session === undefined) throw new Error('no session');
    return session;
  };
  return { time, sessions, events, stop, last };
};

const buildUnavailableError = (retryAfterMs?: number): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'authority_unreachable',
    'away',
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );

describe('following the stream', () => {
  test('tells what is revoked, and that the authority was heard', () => {
    const { events, last } = setUpSubscription();
    last().say(firstLine);
    last().say({ type: 'heartbeat' });
    last().say({ type: 'revocations', active: [{ name: 'stop', reason: 'x' }] });
    expect(events).toEqual(['connected', 'heard', 'revoked ', 'heard', 'heard', 'revoked stop']);
  });

  test('holds nothing to be known before the first word about revocations', async () => {
    const { events, last, time } = setUpSubscription();
    last().say({ type: 'heartbeat' });
    await time.advance(10_000);
    last().say({ type: 'heartbeat' });
    await time.advance(5_000);
    expect(events).toEqual(['lost heartbeat_timeout']);
  });

  test('three missed heartbeats end the connection, and another one begins', async () => {
    const { events, last, sessions, time } = setUpSubscription();
    last().say(firstLine);
    await time.advance(14_999);
    expect(sessions).toHaveLength(1);
    await time.advance(1);
    expect(sessions[0]?.signal.aborted).toBe(true);
    expect(sessions).toHaveLength(2);
    expect(events.at(-1)).toBe('lost heartbeat_timeout');
  });

  test('heartbeats keep it', async () => {
    const { last, sessions, time } = setUpSubscription();
    last().say(firstLine);
    for (let n = 0; n < 20; n += 1) {
      await time.advance(10_000);
      last().say({ type: 'heartbeat' });
    }
    expect(sessions).toHaveLength(1);
  });

  test('presents a fresh token half a minute before the old one ends', async () => {
    const { events, last, sessions, time } = setUpSubscription({ lifeSeconds: 100 });
    last().say(firstLine);
    for (let n = 0; n < 14; n += 1) {
      await time.advance(5_000);
      if (sessions.length === 1) last().say({ type: 'heartbeat' });
    }
    expect(events.at(-1)).toBe('lost renewal');
    expect(sessions).toHaveLength(2);
    expect(sessions[1]?.token).not.toBe(sessions[0]?.token);
  });

  test('a token that is at its end does not make it spin', async () => {
    const { sessions, time } = setUpSubscription({ lifeSeconds: 1 });
    await time.advance(60_000);
    expect(sessions.length).toBeLessThan(8);
  });

  test('a goodbye is followed at once, elsewhere', async () => {
    const { events, last, sessions, time } = setUpSubscription();
    last().say(firstLine);
    await time.advance(6_000);
    last().say({ type: 'reconnect' });
    await time.advance(0);
    expect(sessions[0]?.signal.aborted).toBe(true);
    expect(sessions).toHaveLength(2);
    expect(events).toContain('lost reconnect');
  });

  test('what comes after a goodbye is not listened to', async () => {
    const { events, last, time } = setUpSubscription();
    last().say(firstLine);
    const { say } = last();
    say({ type: 'reconnect' });
    say({ type: 'revocations', active: [{ name: 'late', reason: 'x' }] });
    await time.settle();
    expect(events).not.toContain('revoked late');
  });

  test('failures are met with growing waits up to ten seconds, and one success ends them', async () => {
    const { last, sessions, time } = setUpSubscription({ random: 1 });
    const waits: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      const before = time.clock.monotonic();
      const count = sessions.length;
      last().fail(buildUnavailableError());
      while (sessions.length === count) await time.advance(100);
      waits.push(time.clock.monotonic() - before);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
    last().say(firstLine);
    await time.advance(6_000);
    last().end();
    const count = sessions.length;
    await time.advance(250);
    expect(sessions).toHaveLength(count + 1);
  });

  test('a wait that the authority asks for is kept', async () => {
    const { last, sessions, time } = setUpSubscription();
    last().fail(buildUnavailableError(5_000));
    await time.advance(4_999);
    expect(sessions).toHaveLength(1);
    await time.advance(1);
    expect(sessions).toHaveLength(2);
  });

  test('an authority that says goodbye to everybody is not asked without end', async () => {
    const { last, sessions, time } = setUpSubscription({ random: 1 });
    for (let n = 0; n < 100; n += 1) {
      last().say(firstLine);
      last().say({ type: 'reconnect' });
      await time.advance(100);
    }
    expect(sessions.length).toBeLessThan(8);
  });

  test('a token that cannot be read is tried again', async () => {
    const time = createFakeTime();
    let reads = 0;
    const lost: string[] = [];
    subscribe({
      ...time,
      random: () => 1,
      readToken: () => {
        reads += 1;
        throw new ExchangeError('unavailable', 'token_unreadable', 'x');
      },
      connect: () => Promise.reject(new Error('never')),
      onContact: () => undefined,
      onRevocations: () => undefined,
      onConnected: () => undefined,
      onDisconnected: (code) => lost.push(code),
    });
    await time.advance(1_000);
    expect(reads).toBe(2);
    expect(lost).toEqual(['token_unreadable', 'token_unreadable']);
  });

  test('ends when told to, and leaves no timer', async () => {
    const { events, stop, sessions, time } = setUpSubscription();
    stop();
    await time.advance(60_000);
    expect(sessions).toHaveLength(1);
    expect(sessions[0]?.signal.aborted).toBe(true);
    expect(events).toEqual([]);
    expect(time.timers()).toBe(0);
  });
});
