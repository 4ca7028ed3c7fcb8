import { beforeAll, describe, expect, it } from '@jest/globals';
import { createTestIssuer, forgeToken, type TestIssuer } from './fixtures/test-issuer.ts';
import { NOW_MS } from './fixtures/workload-identity.ts';
import { createSignalVerifier } from './signal-token.ts';

const now = NOW_MS / 1000;
const ISSUER = 'https://events.example';
const OTHER = 'https://other.example';
const claims = { iss: ISSUER, aud: 'valetkey', iat: now - 10, jti: 'one', events: {} };
const HEADER = { typ: 'secevent+jwt' };
const listed = { issuer: ISSUER, jwksUri: `${ISSUER}/keys`, audience: 'valetkey' };
const other = { issuer: OTHER, jwksUri: `${OTHER}/keys`, audience: 'valetkey' };

let transmitter: TestIssuer;
let others: TestIssuer;
beforeAll(async () => {
  transmitter = await createTestIssuer({ alg: 'ES256' });
  others = await createTestIssuer({ alg: 'ES256' });
});

const createVerifier = (fetch?: () => Promise<unknown>) =>
  createSignalVerifier({
    transmitters: [listed, other],
    fetchJwks:
      ({ issuer }) =>
      () =>
        fetch?.() ?? Promise.resolve(issuer === ISSUER ? transmitter.jwks : others.jwks),
    now: () => NOW_MS,
    monotonic: () => 0,
  });

const without = (name: string): object =>
  Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name));

describe('createSignalVerifier', () => {
  it('returns what identifies a signal, and its claims', async () => {
    expect(await createVerifier()(await transmitter.sign(claims, HEADER))).toEqual({
      transmitter: ISSUER,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      expiresAt: NOW_MS - 10_000 + 3_600_000,
      claims,
    });
  });

  it.each([
    ['its media type in full', claims, { typ: 'application/secevent+jwt' }],
    ['other audiences too', { ...claims, aud: ['valetkey', 'shop'] }, HEADER],
    ['an age of an hour', { ...claims, iat: now - 3600 }, HEADER],
  ])('accepts a token with %s', async (_what, given, header) => {
    await createVerifier()(await transmitter.sign(given, header));
  });

  it('distinguishes tokens of the same jti of two transmitters', async () => {
    const verify = createVerifier();
    const one = await verify(await transmitter.sign(claims, HEADER));
    const two = await verify(await others.sign({ ...claims, iss: OTHER }, HEADER));
    expect(one.digest).not.toBe(two.digest);
  });

  const refused: readonly (readonly [string, string, object, object?])[] = [
    ['an issuer that is not listed', 'invalid_issuer', { ...claims, iss: `${ISSUER}/` }],
    ['no issuer', 'invalid_issuer', without('iss')],
    ['the issuer of another key', 'authentication_failed', { ...claims, iss: OTHER }],
    ['another audience', 'invalid_audience', { ...claims, aud: 'shop' }],
    ['no audience', 'invalid_audience', without('aud')],
    ['the type of an ID token', 'invalid_request', claims, { typ: 'JWT' }],
    ['no type', 'invalid_request', claims, { typ: undefined }],
    ['an age over an hour', 'invalid_request', { ...claims, iat: now - 3631 }],
    ['a time of issue to come', 'invalid_request', { ...claims, iat: now + 31 }],
    ['no time of issue', 'invalid_request', without('iat')],
    ['an end in the past', 'invalid_request', { ...claims, exp: now - 31 }],
    ['no jti', 'invalid_request', without('jti')],
    ['an empty jti', 'invalid_request', { ...claims, jti: '' }],
    ['a long jti', 'invalid_request', { ...claims, jti: 'x'.repeat(256) }],
    ['no events', 'invalid_request', without('events')],
    ['an unknown key', 'invalid_key', claims, { ...HEADER, kid: 'key-9' }],
  ];

  it.each(refused)('refuses a token with %s: %s', async (_what, code, given, header = HEADER) => {
    const token = await transmitter.sign(given, header);
    await expect(createVerifier()(token)).rejects.toMatchObject({ name: 'SignalError', code });
  });

  it.each([
    ['without a signature', { alg: 'none', typ: 'secevent+jwt' }, 'invalid_key'],
    ['signed with a shared key', { alg: 'HS256', typ: 'secevent+jwt' }, 'invalid_key'],
  ])('refuses a token %s', async (_what, header, code) => {
    const token = forgeToken(header, claims);
    await expect(createVerifier()(token)).rejects.toMatchObject({ code });
  });

  it.each(['', 'x', 'a.b.c', '{}'])('refuses %j, which is no token', async (text) => {
    await expect(createVerifier()(text)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('cannot answer without the keys of the transmitter', async () => {
    const verify = createVerifier(() => Promise.reject(new Error('down')));
    const token = await transmitter.sign(claims, HEADER);
    await expect(verify(token)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('limits the tokens that wait for the keys of one transmitter, without affecting others', async () => {
    const keys = Promise.withResolvers<unknown>();
    const verify = createSignalVerifier({
      transmitters: [listed, other],
      fetchJwks:
        ({ issuer }) =>
        () =>
          issuer === ISSUER ? keys.promise : Promise.resolve(others.jwks),
      now: () => NOW_MS,
      monotonic: () => 0,
    });
    const forged = forgeToken({ alg: 'ES256', typ: 'secevent+jwt', kid: 'key-1' }, claims);
    const waiting = Array.from({ length: 16 }, () => verify(forged).catch(() => 'refused'));
    await expect(verify(forged)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('too many'),
    });
    await verify(await others.sign({ ...claims, iss: OTHER }, HEADER));
    keys.resolve(transmitter.jwks);
    expect(await Promise.all(waiting)).toEqual(Array(16).fill('refused'));
    await verify(await transmitter.sign(claims, HEADER));
  });
});
