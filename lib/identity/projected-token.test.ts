import { createPublicKey, createHmac } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { forgeToken, createTestIssuer, type TestIssuer } from './fixtures/test-issuer.ts';
import {
  AUDIENCE,
  claims,
  CLUSTER_ISSUER,
  NOW_MS,
  projectedClaims,
} from './fixtures/workload-identity.ts';
import { createJwksCache } from './jwks-cache.ts';
import { createTokenVerifier, findSignedPod } from './projected-token.ts';
import { IDENTITY_REFUSALS } from './identity-refusals.ts';
import { IdentityError } from './workload.ts';

let cluster: TestIssuer;
let otherIssuer: TestIssuer;
beforeAll(async () => {
  [cluster, otherIssuer] = await Promise.all([createTestIssuer(), createTestIssuer()]);
});

const verifyToken = (token: string, at = NOW_MS) =>
  createTokenVerifier({
    issuer: () => CLUSTER_ISSUER,
    audience: AUDIENCE,
    findKey: createJwksCache({
      fetchJwks: () => Promise.resolve(cluster.jwks),
      monotonic: () => 0,
      code: 'keys_unavailable',
    }),
    now: () => at,
  })(token);

const bound = projectedClaims['kubernetes.io'];
const now = NOW_MS / 1000;
const changeClaims = (changes: object): object => ({ ...projectedClaims, ...changes });
const omitMember = (object: object, name: string): object =>
  Object.fromEntries(Object.entries(object).filter(([each]) => each !== name));
const changeBoundClaims = (changes: object): object =>
  changeClaims({ 'kubernetes.io': { ...bound, ...changes } });

describe('createTokenVerifier', () => {
  it('returns the pod and the service account of the token', async () => {
    expect(await verifyToken(await cluster.sign(projectedClaims))).toEqual(claims);
  });

  it.each([
    ['its audience as a string', changeClaims({ aud: AUDIENCE })],
    ['29 seconds past its end', changeClaims({ exp: now - 29, iat: now - 600 })],
    ['a beginning in 29 seconds', changeClaims({ nbf: now + 29, iat: now + 29, exp: now + 629 })],
    ['a life of ten minutes', changeClaims({ iat: now, exp: now + 600 })],
    ['bound claims that a later Kubernetes added', changeBoundClaims({ cell: { name: 'x' } })],
  ])('accepts a token with %s', async (_what, given) => {
    expect(await verifyToken(await cluster.sign(given))).toMatchObject({ pod: claims.pod });
  });

  it('accepts a token without a node, from an older Kubernetes', async () => {
    const given = changeClaims({ 'kubernetes.io': omitMember(bound, 'node') });
    expect(await verifyToken(await cluster.sign(given))).not.toHaveProperty('node');
  });

  it.each(['ES256', 'ES384', 'ES512'])('accepts a token signed with %s', async (alg) => {
    const other = await createTestIssuer({ alg });
    const findKey = createJwksCache({
      fetchJwks: () => Promise.resolve(other.jwks),
      monotonic: () => 0,
      code: 'keys_unavailable',
    });
    const terms = { issuer: () => CLUSTER_ISSUER, audience: AUDIENCE, now: () => NOW_MS };
    const verifyOther = createTokenVerifier({ ...terms, findKey });
    expect(await verifyOther(await other.sign(projectedClaims))).toEqual(claims);
  });

  it.each<[string, string, object]>([
    [
      'another audience',
      'token_audience',
      changeClaims({ aud: ['https://kubernetes.default.svc'] }),
    ],
    ['another audience as a string', 'token_audience', changeClaims({ aud: 'sts.amazonaws.com' })],
    [
      'an audience that only begins like ours',
      'token_audience',
      changeClaims({ aud: `${AUDIENCE}.x` }),
    ],
    [
      'a further audience beside ours',
      'token_audience',
      changeClaims({ aud: [AUDIENCE, 'sts.amazonaws.com'] }),
    ],
    ['our audience twice', 'token_audience', changeClaims({ aud: [AUDIENCE, AUDIENCE] })],
    ['no audience in its list', 'token_audience', changeClaims({ aud: [] })],
    ['an audience that is a mapping', 'token_audience', changeClaims({ aud: { 0: AUDIENCE } })],
    ['no audience', 'token_claims', omitMember(projectedClaims, 'aud')],
    ['another issuer', 'token_issuer', changeClaims({ iss: 'https://elsewhere.example' })],
    ['an issuer with a slash more', 'token_issuer', changeClaims({ iss: `${CLUSTER_ISSUER}/` })],
    ['its issuer in a list', 'token_issuer', changeClaims({ iss: [CLUSTER_ISSUER] })],
    ['an end 31 seconds ago', 'token_expired', changeClaims({ exp: now - 31, iat: now - 600 })],
    ['no end', 'token_claims', omitMember(projectedClaims, 'exp')],
    ['an exp that is text', 'token_claims', changeClaims({ exp: '2099-01-01' })],
    ['no time of issue', 'token_claims', omitMember(projectedClaims, 'iat')],
    ['a beginning in 31 seconds', 'token_not_yet_valid', changeClaims({ nbf: now + 31 })],
    ['a time of issue in 31 seconds', 'token_not_yet_valid', changeClaims({ iat: now + 31 })],
    ['a life of 601 seconds', 'token_lifetime', changeClaims({ iat: now, exp: now + 601 })],
    ['an end before its issue', 'token_lifetime', changeClaims({ iat: now + 20, exp: now + 10 })],
    ['no bound claims', 'token_claims', omitMember(projectedClaims, 'kubernetes.io')],
    [
      'no namespace',
      'token_claims',
      changeClaims({ 'kubernetes.io': omitMember(bound, 'namespace') }),
    ],
    ['no pod', 'token_claims', changeClaims({ 'kubernetes.io': omitMember(bound, 'pod') })],
    ['a pod without a uid', 'token_claims', changeBoundClaims({ pod: { name: 'agent-0' } })],
    [
      'a pod named like a path',
      'token_claims',
      changeBoundClaims({ pod: { name: '../x', uid: 'u' } }),
    ],
    ['no service account', 'token_claims', changeBoundClaims({ serviceaccount: null })],
    [
      'a service account without a uid',
      'token_claims',
      changeBoundClaims({ serviceaccount: { name: 'agent' } }),
    ],
    ['a node without a name', 'token_claims', changeBoundClaims({ node: {} })],
    [
      'a subject of another account',
      'token_claims',
      changeClaims({ sub: 'system:serviceaccount:a:b' }),
    ],
    ['no subject', 'token_claims', omitMember(projectedClaims, 'sub')],
  ])('refuses a token with %s: %s', async (_what, code, given) => {
    await expect(verifyToken(await cluster.sign(given))).rejects.toMatchObject({
      kind: 'refused',
      code,
    });
  });

  it.each<[string, object]>([
    ['an expired token', changeClaims({ exp: now - 31, iat: now - 600 })],
    ['a token for another audience', changeClaims({ aud: 'sts.amazonaws.com' })],
    ['a token of another issuer', changeClaims({ iss: 'https://elsewhere.example' })],
    ['a token with a long lifetime', changeClaims({ iat: now, exp: now + 601 })],
    ['a token with another subject', changeClaims({ sub: 'system:serviceaccount:a:b' })],
  ])('names the pod of %s, whose signature is valid', async (_, given) => {
    const error = await verifyToken(await cluster.sign(given)).catch((thrown: unknown) => thrown);
    expect(findSignedPod(error)).toEqual({ namespace: claims.namespace, pod: claims.pod });
  });

  it('names no pod of a token whose signature is not valid, or that names none', async () => {
    for (const token of [
      await otherIssuer.sign(changeClaims({ exp: now - 31, iat: now - 600 })),
      forgeToken({ alg: 'none' }, projectedClaims),
      await cluster.sign(omitMember(projectedClaims, 'kubernetes.io')),
    ]) {
      const error = await verifyToken(token).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(IdentityError);
      expect(findSignedPod(error)).toBeUndefined();
    }
  });

  it('refuses a token that another key signed under a known key ID: token_signature', async () => {
    await expect(verifyToken(await otherIssuer.sign(projectedClaims))).rejects.toMatchObject({
      code: 'token_signature',
    });
  });

  it('refuses a token of a key that the cluster does not publish: token_key_unknown', async () => {
    const token = await otherIssuer.sign(projectedClaims, { kid: 'key-9' });
    await expect(verifyToken(token)).rejects.toMatchObject({ code: 'token_key_unknown' });
  });

  it('refuses a token whose claims were replaced after signing: token_signature', async () => {
    const [header, , signature] = (await cluster.sign(projectedClaims)).split('.');
    const other = changeBoundClaims({ pod: { name: 'agent-1', uid: 'other' } });
    const payload = Buffer.from(JSON.stringify(other)).toString('base64url');
    await expect(verifyToken(`${header}.${payload}.${signature}`)).rejects.toMatchObject({
      code: 'token_signature',
    });
  });

  it.each(['none', 'None', 'HS512', 'RS1', 'PS256'])(
    'of algorithm %s is refused: token_algorithm',
    async (alg) => {
      const token = forgeToken({ alg, kid: 'key-1' }, projectedClaims, 'c2lnbmF0dXJl');
      await expect(verifyToken(token)).rejects.toMatchObject({ code: 'token_algorithm' });
    },
  );

  it('refuses a token without a signature', async () => {
    const token = forgeToken({ alg: 'none' }, projectedClaims);
    await expect(verifyToken(token)).rejects.toMatchObject({ code: 'token_algorithm' });
  });

  it('refuses an HS256 token with the public key as the secret: token_algorithm', async () => {
    const key = createPublicKey({ key: cluster.publicJwk, format: 'jwk' });
    const pem = key.export({ type: 'spki', format: 'pem' });
    const signed = forgeToken({ alg: 'HS256', kid: 'key-1' }, projectedClaims).slice(0, -1);
    const signature = createHmac('sha256', pem).update(signed).digest('base64url');
    await expect(verifyToken(`${signed}.${signature}`)).rejects.toMatchObject({
      code: 'token_algorithm',
    });
  });

  it('ignores a key in the token header and verifies with the keys of the cluster', async () => {
    const token = await otherIssuer.sign(projectedClaims, { jwk: otherIssuer.publicJwk });
    await expect(verifyToken(token)).rejects.toMatchObject({ code: 'token_signature' });
  });

  it.each([
    ['nothing', ''],
    ['words', 'not a token'],
    ['two parts', 'e30.e30'],
    ['five parts', 'e30.e30.e30.e30.e30'],
    ['a header that is a list', `${Buffer.from('[]').toString('base64url')}.e30.AA`],
  ])('refuses %s: token_malformed', async (_what, token) => {
    await expect(verifyToken(token)).rejects.toMatchObject({
      kind: 'refused',
      code: 'token_malformed',
    });
  });

  it('refuses a token over 16 KiB without parsing it: token_malformed', async () => {
    const token = await cluster.sign(changeClaims({ more: 'x'.repeat(16 * 1024) }));
    await expect(verifyToken(token)).rejects.toMatchObject({ code: 'token_malformed' });
  });

  it('refuses a token with any one character changed, with a code of the table', async () => {
    const token = await cluster.sign(projectedClaims);
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: token.length - 2 }),
        fc.constantFrom('A', 'z', '0', '_', '.', '=', ' ', 'é'),
        async (at, character) => {
          fc.pre(token[at] !== character);
          const given = token.slice(0, at) + character + token.slice(at + 1);
          const error: unknown = await verifyToken(given).catch((cause: unknown) => cause);
          expect(error).toBeInstanceOf(IdentityError);
          expect(Object.keys(IDENTITY_REFUSALS)).toContain((error as IdentityError).code);
        },
      ),
    );
  });

  it('never includes the token in the message of a refusal', async () => {
    const token = await cluster.sign(changeClaims({ aud: 'x' }));
    const error = (await verifyToken(token).catch((cause: unknown) => cause)) as Error;
    for (const part of token.split('.')) expect(error.message).not.toContain(part.slice(0, 20));
  });
});
