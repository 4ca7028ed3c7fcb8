import { beforeAll, describe, expect, it } from '@jest/globals';
import type { KubernetesNameMapping } from '../contract/platform.ts';
import { forgeToken, createTestIssuer, type TestIssuer } from './fixtures/test-issuer.ts';
import { NOW_MS } from './fixtures/workload-identity.ts';
import { createUserVerifier } from './user-token.ts';

const now = NOW_MS / 1000;
const ISSUER = 'https://login.example';
const idClaims = {
  iss: ISSUER,
  sub: 'ada',
  aud: 'valetkey',
  iat: now - 10,
  exp: now + 290,
  email: 'ada@example.com',
};
const listed = { issuer: ISSUER, jwksUri: `${ISSUER}/keys`, audience: 'valetkey' };
const other = {
  issuer: 'https://other.example',
  jwksUri: 'https://other.example/k',
  audience: 'o',
};

let people: TestIssuer;
let others: TestIssuer;
beforeAll(async () => {
  [people, others] = await Promise.all([
    createTestIssuer({ alg: 'ES256' }),
    createTestIssuer({ alg: 'ES256' }),
  ]);
});

const createVerifier = (fetch?: () => Promise<unknown>) =>
  createUserVerifier({
    issuers: [listed, other],
    fetchJwks:
      ({ issuer }) =>
      () =>
        fetch?.() ?? Promise.resolve(issuer === ISSUER ? people.jwks : others.jwks),
    maxTokenLifetimeSeconds: 300,
    now: () => NOW_MS,
    monotonic: () => 0,
  });
const changeClaims = (changes: object): object => ({ ...idClaims, ...changes });
const omitClaim = (name: string): object =>
  Object.fromEntries(Object.entries(idClaims).filter(([each]) => each !== name));

describe('createUserVerifier', () => {
  it('returns the user of the token, and no other claim', async () => {
    expect(await createVerifier()(await people.sign(idClaims))).toEqual({
      issuer: ISSUER,
      subject: 'ada',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      expiresAt: NOW_MS + 290_000,
    });
  });

  it.each([
    ['its audience in a list', changeClaims({ aud: ['valetkey'] }), {}],
    ['no type in its header', idClaims, { typ: undefined }],
    ['no jti', idClaims, {}],
  ])('accepts a token with %s', async (_what, claims, header) => {
    expect(await createVerifier()(await people.sign(claims, header))).toMatchObject({
      subject: 'ada',
    });
  });

  const refusedTokens: readonly (readonly [string, string, object, object?])[] = [
    ['another audience', 'user_token_audience', changeClaims({ aud: 'shop' })],
    ['an audience of another issuer', 'user_token_audience', changeClaims({ aud: 'o' })],
    ['a further audience', 'user_token_audience', changeClaims({ aud: ['valetkey', 'shop'] })],
    ['an issuer that is not listed', 'user_token_issuer', changeClaims({ iss: `${ISSUER}/` })],
    ['no issuer', 'user_token_issuer', omitClaim('iss')],
    ['the issuer of another key', 'user_token_signature', changeClaims({ iss: other.issuer })],
    ['an end in the past', 'user_token_expired', changeClaims({ iat: now - 300, exp: now - 31 })],
    ['no end', 'user_token_claims', omitClaim('exp')],
    ['no time of issue', 'user_token_claims', omitClaim('iat')],
    ['a time of issue to come', 'user_token_not_yet_valid', changeClaims({ iat: now + 31 })],
    ['a beginning to come', 'user_token_not_yet_valid', changeClaims({ nbf: now + 31 })],
    ['a life of 301 seconds', 'user_token_lifetime', changeClaims({ iat: now, exp: now + 301 })],
    ['no subject', 'user_token_claims', omitClaim('sub')],
    ['a subject of 256 characters', 'user_token_claims', changeClaims({ sub: 'a'.repeat(256) })],
    ['a subject of two lines', 'user_token_claims', changeClaims({ sub: 'ada\nroot' })],
    ['the type of an access token', 'user_token_claims', idClaims, { typ: 'at+jwt' }],
    ['the type of a logout token', 'user_token_claims', idClaims, { typ: 'logout+jwt' }],
    ['an unknown key', 'user_token_key_unknown', idClaims, { kid: 'key-9' }],
  ];
  it.each(
    refusedTokens.map(([what, code, claims, header = {}]) => ({ what, code, claims, header })),
  )('with $what is refused: $code', async ({ code, claims, header }) => {
    await expect(createVerifier()(await people.sign(claims, header))).rejects.toMatchObject({
      kind: 'refused',
      code,
    });
  });

  it.each(['none', 'HS256'])('refuses the algorithm %s', async (alg) => {
    const token = forgeToken({ alg, kid: 'key-1' }, idClaims, 'c2ln');
    await expect(createVerifier()(token)).rejects.toMatchObject({ code: 'user_token_algorithm' });
  });

  it.each(['', 'a.b', 'x'.repeat(17_000)])('refuses text that is not a JWT: %#', async (token) => {
    await expect(createVerifier()(token)).rejects.toMatchObject({ code: 'user_token_malformed' });
  });

  it('throws unavailable if the issuer does not respond', async () => {
    const verify = createVerifier(() => Promise.reject(new Error('no route')));
    await expect(verify(await people.sign(idClaims))).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'user_keys_unavailable',
    });
  });
});

describe("the user's name in Kubernetes", () => {
  const nameUser = async (claims: object, mapping?: KubernetesNameMapping) => {
    const issuers = [{ ...listed, ...(mapping && { kubernetesName: mapping }) }];
    const verify = createUserVerifier({
      ...{ issuers, maxTokenLifetimeSeconds: 300, now: () => NOW_MS, monotonic: () => 0 },
      fetchJwks: () => () => Promise.resolve(people.jwks),
    });
    return (await verify(await people.sign(claims))).kubernetesName;
  };
  const verified = changeClaims({ email_verified: true });

  it.each<[string, string, object, KubernetesNameMapping]>([
    ['sub', 'oidc:ada', idClaims, { claim: 'sub', prefix: 'oidc:' }],
    ['sub without a prefix', 'ada', idClaims, { claim: 'sub', prefix: '' }],
    ['a verified email', 'oidc:ada@example.com', verified, { claim: 'email', prefix: 'oidc:' }],
  ])('is built from %s', async (_, name, claims, mapping) => {
    expect(await nameUser(claims, mapping)).toBe(name);
  });

  const byEmail: KubernetesNameMapping = { claim: 'email', prefix: '' };
  it.each<[string, object, KubernetesNameMapping | undefined]>([
    ['the issuer has no mapping', verified, undefined],
    ['the email is not verified', changeClaims({ email_verified: false }), byEmail],
    ['nothing says that the email is verified', idClaims, byEmail],
    ['the word true says that it is', changeClaims({ email_verified: 'true' }), byEmail],
    ['the email is no text', changeClaims({ email_verified: true, email: ['ada'] }), byEmail],
    ['the email is empty', changeClaims({ email_verified: true, email: '' }), byEmail],
    ['it is longer than a name', idClaims, { claim: 'sub', prefix: 'p'.repeat(251) }],
  ])('is not known if %s', async (_, claims, mapping) => {
    expect(await nameUser(claims, mapping)).toBeUndefined();
  });
});

/** The order of P-256's base point: if (r, s) is a valid signature, so is (r, order − s). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const buildMalleatedToken = (token: string): string => {
  const [header, payload, signature = ''] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  const s = ORDER - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  const twin = Buffer.concat([
    bytes.subarray(0, 32),
    Buffer.from(s.toString(16).padStart(64, '0'), 'hex'),
  ]);
  return `${header}.${payload}.${twin.toString('base64url')}`;
};

describe('the digest of a user token', () => {
  it('is equal for a second valid signature that is derived from the first', async () => {
    const token = await people.sign(idClaims);
    const twin = buildMalleatedToken(token);
    expect(twin).not.toBe(token);
    const [first, second] = [await createVerifier()(token), await createVerifier()(twin)];
    expect(second.digest).toBe(first.digest);
  });

  it('differs for another token of the same user', async () => {
    const first = await createVerifier()(await people.sign(idClaims));
    const second = await createVerifier()(await people.sign(changeClaims({ iat: now - 9 })));
    expect(second.digest).not.toBe(first.digest);
  });
});
