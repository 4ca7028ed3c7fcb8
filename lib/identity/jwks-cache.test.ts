import { beforeAll, describe, expect, it } from '@jest/globals';
import { createTestIssuer, type TestIssuer } from './fixtures/test-issuer.ts';
import { createJwksCache } from './jwks-cache.ts';

let [first, second]: TestIssuer[] = [];
beforeAll(async () => {
  [first, second] = await Promise.all([
    createTestIssuer({ kid: 'first', alg: 'ES256' }),
    createTestIssuer({ kid: 'second', alg: 'ES256' }),
  ]);
});

type Answer = unknown;

/** An endpoint that returns the current `state.answer`, and a cache that fetches from it. */
const createCache = (answer: () => Answer) => {
  const state = { answer, at: 0, asked: 0 };
  const findKey = createJwksCache({
    fetchJwks: () => {
      state.asked += 1;
      return Promise.resolve().then(() => state.answer());
    },
    monotonic: () => state.at,
    code: 'keys_unavailable',
  });
  const find = async (kid: string) =>
    findKey({ alg: 'ES256', kid }, { payload: '', signature: '' });
  return { state, find };
};

const failFetch = (): never => {
  throw new Error('no route');
};
const minutes = 60_000;

describe('createJwksCache', () => {
  it('fetches the keys once for concurrent callers', async () => {
    const { state, find } = createCache(() => first?.jwks);
    await Promise.all([find('first'), find('first'), find('first')]);
    state.at += 4 * minutes;
    await find('first');
    expect(state.asked).toBe(1);
  });

  it('fetches the keys again after five minutes, and rejects a withdrawn key', async () => {
    const { state, find } = createCache(() => ({ keys: [first?.publicJwk, second?.publicJwk] }));
    await find('first');
    state.answer = () => second?.jwks;
    state.at += 5 * minutes + 1;
    await expect(find('first')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await find('second');
    expect(state.asked).toBe(2);
  });

  it('fetches the keys again for an unknown key ID, at most every ten seconds', async () => {
    const { state, find } = createCache(() => first?.jwks);
    await find('first');
    state.at += 10_000;
    const unknown = Array.from({ length: 50 }, (_, index) => find(`forged-${index}`));
    for (const each of await Promise.allSettled(unknown)) expect(each.status).toBe('rejected');
    expect(state.asked).toBe(2);
    state.at += 9_999;
    await expect(find('second')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    state.answer = () => second?.jwks;
    state.at += 1;
    await find('second');
    expect(state.asked).toBe(3);
  });

  it.each<[string, () => Answer]>([
    ['fails', failFetch],
    ['answers something else', () => 'busy'],
    ['answers nothing', () => null],
    ['answers no key', () => ({ keys: [] })],
    ['answers a secret only', () => ({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'first' }] })],
  ])('keeps the last keys while the endpoint %s', async (_what, answer) => {
    const { state, find } = createCache(() => first?.jwks);
    await find('first');
    state.answer = answer;
    state.at += 24 * 60 * minutes;
    await find('first');
    await find('first');
    expect(state.asked).toBe(2);
  });

  it('throws unavailable, not refused, for an unknown key while the endpoint fails', async () => {
    const { state, find } = createCache(() => first?.jwks);
    await find('first');
    state.answer = failFetch;
    state.at += minutes;
    await expect(find('second')).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'keys_unavailable',
    });
  });

  it.each<[string, () => Answer]>([
    ['fails', failFetch],
    ['answers an RSA key of 1024 bits', () => ({ keys: [{ kty: 'RSA', n: 'x'.repeat(171) }] })],
    ['answers a million keys', () => ({ keys: Array.from({ length: 1_000_000 }, () => ({})) })],
  ])(
    'throws unavailable if no keys were ever fetched because the endpoint %s',
    async (_what, answer) => {
      const { state, find } = createCache(answer);
      await expect(find('first')).rejects.toMatchObject({ kind: 'unavailable' });
      await expect(find('first')).rejects.toMatchObject({ kind: 'unavailable' });
      expect(state.asked).toBe(1);
      state.answer = () => first?.jwks;
      state.at += 1_000;
      await find('first');
    },
  );
});
