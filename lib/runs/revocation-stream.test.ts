import { describe, expect, test } from '@jest/globals';

import type { StreamLine } from '../contract/authority-api.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { subscribe } from './revocation-stream.ts';

type Session = {
  readonly token: string;
  readonly followed: readonly string[];
  readonly send: (line: StreamLine) => void;
  readonly signal: AbortSignal;
  readonly end: () => void;
  readonly fail: (error: Error) => void;
};

const firstLine: StreamLine = { type: 'revocations', active: [] };

/** A JWT that expires in `seconds`. */
const buildToken = (seconds: number, now: number): string => {
  const claims = { exp: now / 1000 + seconds };
  return `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
};

const setUpSubscription = ({ lifetimeSeconds = 600, random = 0 } = {}) => {
  const time = createFakeTime();
  const sessions: Session[] = [];
  const events: string[] = [];
  const runs: string[] = [];
  const { stop, reopen } = subscribe({
    ...time,
    random: () => random,
    readToken: () => buildToken(lifetimeSeconds, time.clock.now()),
    connect: ({ token, followed }, send, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
        sessions.push({ token, followed, send, signal, end: resolve, fail: reject });
      }),
    onContact: () => events.push('contact'),
    onPolicies: () => undefined,
    onRevocations: (active) => events.push(`revoked ${active.map(({ name }) => name).join()}`),
    listFollowed: () => [...runs],
    onFollowed: (named) => {
      if (named.length > 0) events.push(`follows ${named.join()}`);
    },
    onConnected: () => events.push('connected'),
    onDisconnected: (reason) => events.push(`lost ${reason}`),
  });
  const last = (): Session => {
    const session = sessions.at(-1);
    if (session === undefined) throw new Error('no session');
    return session;
  };
  return { time, sessions, events, followed: runs, stop, reopen, last };
};

const buildUnavailableError = (retryAfterMs?: number): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'authority_unreachable',
    'away',
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );

describe('subscribe', () => {
  test('reports revocations and each contact', () => {
    const { events, last } = setUpSubscription();
    last().send(firstLine);
    last().send({ type: 'heartbeat' });
    last().send({ type: 'revocations', active: [{ name: 'stop', reason: 'x' }] });
    expect(events).toEqual([
      'connected',
      'contact',
      'revoked ',
      'contact',
      'contact',
      'revoked stop',
    ]);
  });

  test('reports no contact before the first line about revocations', async () => {
    const { events, last, time } = setUpSubscription();
    last().send({ type: 'heartbeat' });
    await time.advance(10_000);
    last().send({ type: 'heartbeat' });
    await time.advance(5_000);
    expect(events).toEqual(['lost heartbeat_timeout']);
  });

  test('reconnects after three missed heartbeats', async () => {
    const { events, last, sessions, time } = setUpSubscription();
    last().send(firstLine);
    await time.advance(14_999);
    expect(sessions).toHaveLength(1);
    await time.advance(1);
    expect(sessions[0]?.signal.aborted).toBe(true);
    expect(sessions).toHaveLength(2);
    expect(events.at(-1)).toBe('lost heartbeat_timeout');
  });

  test('keeps a connection with heartbeats', async () => {
    const { last, sessions, time } = setUpSubscription();
    last().send(firstLine);
    for (let n = 0; n < 20; n += 1) {
      await time.advance(10_000);
      last().send({ type: 'heartbeat' });
    }
    expect(sessions).toHaveLength(1);
  });

  test('reconnects with the current token 30 s before the old one expires', async () => {
    const { events, last, sessions, time } = setUpSubscription({ lifetimeSeconds: 100 });
    last().send(firstLine);
    for (let n = 0; n < 14; n += 1) {
      await time.advance(5_000);
      if (sessions.length === 1) last().send({ type: 'heartbeat' });
    }
    expect(events.at(-1)).toBe('lost renewal');
    expect(sessions).toHaveLength(2);
    expect(sessions[1]?.token).not.toBe(sessions[0]?.token);
  });

  test('does not reconnect in a tight loop with an expired token', async () => {
    const { sessions, time } = setUpSubscription({ lifetimeSeconds: 1 });
    await time.advance(60_000);
    expect(sessions.length).toBeLessThan(8);
  });

  test('reconnects at once after a reconnect line', async () => {
    const { events, last, sessions, time } = setUpSubscription();
    last().send(firstLine);
    await time.advance(6_000);
    last().send({ type: 'reconnect' });
    await time.advance(0);
    expect(sessions[0]?.signal.aborted).toBe(true);
    expect(sessions).toHaveLength(2);
    expect(events).toContain('lost reconnect');
  });

  test('ignores lines after a reconnect line', async () => {
    const { events, last, time } = setUpSubscription();
    last().send(firstLine);
    const { send } = last();
    send({ type: 'reconnect' });
    send({ type: 'revocations', active: [{ name: 'ignored', reason: 'x' }] });
    await time.settle();
    expect(events).not.toContain('revoked ignored');
  });

  test('backs off up to 10 s after failures and resets after a success', async () => {
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
    last().send(firstLine);
    await time.advance(6_000);
    last().end();
    const count = sessions.length;
    await time.advance(250);
    expect(sessions).toHaveLength(count + 1);
  });

  test.each([
    ['is cut', 'authority_unreachable', 2_000],
    ['has no heartbeats', 'heartbeat_timeout', 2_000],
    ['is asked to reconnect', 'reconnect', 250],
    ['ends', 'ended', 250],
  ])(
    'spreads over its window the reconnection of a stream that %s',
    async (_, reason, windowMs) => {
      const { events, last, sessions, time } = setUpSubscription({ random: 1 });
      last().send(firstLine);
      await time.advance(6_000);
      if (reason === 'ended') last().end();
      else if (reason === 'reconnect') last().send({ type: 'reconnect' });
      else if (reason === 'authority_unreachable') last().fail(buildUnavailableError());
      else await time.advance(9_000);
      await time.settle();
      expect(events.at(-1)).toBe(`lost ${reason}`);
      await time.advance(windowMs - 1);
      expect(sessions).toHaveLength(1);
      await time.advance(1);
      expect(sessions).toHaveLength(2);
    },
  );

  test('doubles the window of streams that are cut again right after they opened', async () => {
    const { last, sessions, time } = setUpSubscription({ random: 1 });
    for (const windowMs of [4_000, 8_000, 10_000]) {
      last().send(firstLine);
      last().fail(buildUnavailableError());
      const count = sessions.length;
      await time.advance(windowMs - 1);
      expect(sessions).toHaveLength(count);
      await time.advance(1);
      expect(sessions).toHaveLength(count + 1);
    }
  });

  test('waits as long as the authority requests', async () => {
    const { last, sessions, time } = setUpSubscription();
    last().fail(buildUnavailableError(5_000));
    await time.advance(4_999);
    expect(sessions).toHaveLength(1);
    await time.advance(1);
    expect(sessions).toHaveLength(2);
  });

  test('backs off from an authority that always sends reconnect', async () => {
    const { last, sessions, time } = setUpSubscription({ random: 1 });
    for (let n = 0; n < 100; n += 1) {
      last().send(firstLine);
      last().send({ type: 'reconnect' });
      await time.advance(100);
    }
    expect(sessions.length).toBeLessThan(8);
  });

  test('is replaced at once by a connection that follows other runs', async () => {
    const { time, sessions, events, followed, reopen, last } = setUpSubscription();
    last().send(firstLine);
    followed.push('parent');
    reopen();
    await time.advance(0);
    expect(sessions.map((session) => session.followed.length)).toEqual([0, 1]);
    expect(events.at(-1)).toBe('lost follow');
    last().send({ type: 'revocations', active: [{ name: 'a', run: 'parent', reason: 'x' }] });
    expect(events.slice(-4)).toEqual(['connected', 'contact', 'revoked a', 'follows parent']);
  });

  test('retries after a token that cannot be read', async () => {
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
      onPolicies: () => undefined,
      onRevocations: () => undefined,
      listFollowed: () => [],
      onFollowed: () => undefined,
      onConnected: () => undefined,
      onDisconnected: (reason) => lost.push(reason),
    });
    await time.advance(1_000);
    expect(reads).toBe(2);
    expect(lost).toEqual(['token_unreadable', 'token_unreadable']);
  });

  test('stops and leaves no timer', async () => {
    const { events, stop, sessions, time } = setUpSubscription();
    stop();
    await time.advance(60_000);
    expect(sessions).toHaveLength(1);
    expect(sessions[0]?.signal.aborted).toBe(true);
    expect(events).toEqual([]);
    expect(time.timers()).toBe(0);
  });
});
