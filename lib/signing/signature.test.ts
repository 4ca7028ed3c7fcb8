import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { parseRequestTarget } from '../schema/request-target.ts';
import { parseAuthorization } from './authorization.ts';
import {
  formatRequestTarget,
  formatTimestamp,
  parseTimestamp,
  sha256,
  UNSIGNED_PAYLOAD,
  type SignableRequest,
} from './canonical.ts';
import { createRequest, localKeys, NOW_MS, signWithSdk } from './fixtures/requests.ts';
import { signRequest } from './sign.ts';
import { createTextSigner, type AwsKeys } from './signing-keys.ts';
import { verifyRequest } from './verify.ts';

const EMPTY_HASH = sha256('');
const signText = createTextSigner();

const verify = (
  request: SignableRequest,
  { keys = localKeys, nowMs = NOW_MS }: { keys?: AwsKeys; nowMs?: number } = {},
) => {
  const parsed = parseAuthorization(request.headers.get('authorization') ?? '');
  if (!parsed.ok) return parsed.fault;
  const payloadHash = request.headers.get('x-amz-content-sha256') ?? EMPTY_HASH;
  const { authorization } = parsed;
  return verifyRequest({ request, authorization, keys, payloadHash, nowMs }, signText);
};

const withHeaders = (
  request: SignableRequest,
  headers: Readonly<Record<string, string>>,
): SignableRequest => ({
  ...request,
  headers: new Map([...request.headers, ...Object.entries(headers)]),
});

const signForS3 = async (request: SignableRequest): Promise<SignableRequest> => ({
  ...request,
  headers: await signWithSdk(request, { service: 's3' }),
});

/** Text as queries hold it, without what no URL can carry, and what the SDK's signer loses. */
const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((value) => value.isWellFormed() && value !== '__proto__');

/** As SDKs write the segments of a path: a slash in a key is sent as such. */
const segment = text.filter((value) => !value.includes('/') && value !== '.' && value !== '..');

const encodeStrictly = (value: string): string =>
  encodeURIComponent(value).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const requests = fc
  .record({
    method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD'),
    segments: fc.array(segment, { minLength: 1, maxLength: 4 }),
    parameters: fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true }),
    contentType: fc.constantFrom('text/csv', ' a  b ', 'application/json; charset="utf-8"'),
  })
  .map(({ method, segments, parameters, contentType }) => {
    const query = Object.entries(parameters)
      .map(([name, value]) => `${encodeStrictly(name)}=${encodeStrictly(value)}`)
      .join('&');
    const path = segments.map(encodeStrictly).join('/');
    const target = `/${path}${query === '' ? '' : `?${query}`}`;
    return createRequest({ method, target, headers: { 'content-type': contentType } });
  });

const services = fc.constantFrom('s3', 'dynamodb', 'lambda', 'sts', 'execute-api');

describe('signRequest', () => {
  it('signs as the AWS SDK signs, for any path, query, header and service', async () => {
    await fc.assert(
      fc.asyncProperty(requests, services, async (request, service) => {
        const expected = await signWithSdk(request, { service });
        const options = { keys: localKeys, region: 'eu-central-1', service, nowMs: NOW_MS };
        const signed = signRequest(request, { ...options, payloadHash: EMPTY_HASH }, signText);
        expect(parseRequestTarget(signed.path)).toMatchObject({
          target: {
            decodedPath: request.target.decodedPath,
            parameters: request.target.parameters,
          },
        });
        expect(signed.headers.get('authorization')).toBe(expected.get('authorization'));
      }),
    );
  });

  it('replaces what the client signed with', async () => {
    const request = await signForS3(createRequest());
    const keys = { accessKeyId: 'AKIACLOUD12345678', secretAccessKey: 's', sessionToken: 't' };
    const { headers } = signRequest(
      request,
      { keys, region: 'eu-west-1', service: 's3', payloadHash: UNSIGNED_PAYLOAD, nowMs: NOW_MS },
      signText,
    );
    expect([...headers.values()].join('\n')).not.toContain('VALETKEY');
    expect(headers.get('x-amz-security-token')).toBe('t');
    expect(headers.get('x-amz-content-sha256')).toBe(UNSIGNED_PAYLOAD);
    expect(verify({ ...request, headers }, { keys })).toBeUndefined();
  });
});

describe('formatTimestamp and parseTimestamp', () => {
  it('are inverse for every second, whatever was formatted and parsed before', () => {
    const second = fc.integer({ min: 0, max: 4_000_000_000 });
    fc.assert(
      fc.property(fc.array(second, { minLength: 1, maxLength: 5 }), (seconds) => {
        for (const each of [...seconds, ...seconds]) {
          const timestamp = formatTimestamp(each * 1000 + 999);
          const iso = new Date(each * 1000).toISOString();
          expect(timestamp).toBe(iso.replace(/[-:]|\.000/g, ''));
          expect(parseTimestamp(timestamp)).toBe(each * 1000);
          expect(parseTimestamp(`${timestamp} `)).toBeUndefined();
        }
      }),
    );
  });
});

describe('formatRequestTarget', () => {
  it('formats each target for its own service, whatever was formatted before', () => {
    const read = (text: string) => {
      const parsed = parseRequestTarget(text);
      if (!parsed.ok) throw new Error(parsed.reason);
      return parsed.target;
    };
    const [one, other] = [read('/a%7Eb?y=2&x=1'), read('/c')];
    expect(formatRequestTarget(one, 's3')).toBe('/a~b?x=1&y=2');
    expect(formatRequestTarget(one, 'dynamodb')).toBe('/a%7Eb?x=1&y=2');
    expect(formatRequestTarget(other, 's3')).toBe('/c');
    expect(formatRequestTarget(one, 's3')).toBe('/a~b?x=1&y=2');
  });
});

describe('verifyRequest', () => {
  it('accepts what the AWS SDK signed, for any path, query, header and service', async () => {
    await fc.assert(
      fc.asyncProperty(requests, services, async (request, service) => {
        const headers = await signWithSdk(request, { service });
        expect(verify({ ...request, headers })).toBeUndefined();
      }),
    );
  });

  it('refuses a request of which one character was changed after signing', async () => {
    const digits = fc.nat({ max: 63 });
    await fc.assert(
      fc.asyncProperty(requests, digits, async (request, position) => {
        const headers = await signWithSdk(request, { service: 's3' });
        const value = headers.get('authorization') ?? '';
        const at = value.length - 64 + position;
        const other = value[at] === '0' ? '1' : '0';
        const authorization = `${value.slice(0, at)}${other}${value.slice(at + 1)}`;
        const changed = withHeaders({ ...request, headers }, { authorization });
        expect(verify(changed)?.code).toBe('signature_invalid');
      }),
    );
  });

  it.each([
    ['method', (signed: SignableRequest) => ({ ...signed, method: 'DELETE' })],
    [
      'path',
      (signed: SignableRequest) => ({
        ...signed,
        target: createRequest({ target: '/acme-data/reports/b.csv' }).target,
      }),
    ],
    [
      'query',
      (signed: SignableRequest) => ({
        ...signed,
        target: createRequest({ target: '/acme-data/reports/a.csv?acl' }).target,
      }),
    ],
    ['host', (signed: SignableRequest) => withHeaders(signed, { host: 'localhost:9473' })],
    [
      'payload hash',
      (signed: SignableRequest) => withHeaders(signed, { 'x-amz-content-sha256': sha256('x') }),
    ],
    [
      'session token',
      (signed: SignableRequest) => withHeaders(signed, { 'x-amz-security-token': 'other' }),
    ],
  ])('refuses a request whose %s was changed after signing', async (_, change) => {
    const signed = await signForS3(createRequest());
    expect(verify(change(signed))?.code).toBe('signature_invalid');
  });

  it('refuses keys of another run that have the same ID', async () => {
    const signed = await signForS3(createRequest());
    const keys = { ...localKeys, secretAccessKey: 'another' };
    expect(verify(signed, { keys })?.code).toBe('signature_invalid');
  });

  it('refuses a session token that was not the one of the keys, though it was signed', async () => {
    const keys = { ...localKeys, sessionToken: 'another' };
    const request = createRequest();
    const headers = await signWithSdk(request, { service: 's3', keys });
    expect(verify({ ...request, headers })?.code).toBe('signature_invalid');
  });

  it.each(['x-amz-acl', 'x-amz-copy-source', 'x-amz-tagging'])(
    'refuses %s that was added after signing',
    async (name) => {
      const signed = withHeaders(await signForS3(createRequest()), { [name]: 'x' });
      expect(verify(signed)).toEqual({
        code: 'header_unsigned',
        message: `expected ${name} among the signed headers`,
      });
    },
  );

  it('accepts the authority of HTTP/2 in place of the host, where the request has it', async () => {
    const { method, target } = createRequest();
    const own = { method, target, headers: new Map([[':authority', '127.0.0.1:9473']]) };
    const signed = await signForS3(own);
    expect(signed.headers.get('authorization')).toContain('SignedHeaders=:authority;');
    expect(verify(signed)).toBeUndefined();
    const other = withHeaders(signed, { ':authority': 'evil.example' });
    expect(verify(other)).toMatchObject({ code: 'signature_invalid' });
    // An absent header counts as empty in the canonical request.
    const empty = await signForS3({ ...own, headers: new Map([[':authority', '']]) });
    const headers = new Map([...empty.headers].filter(([name]) => name !== ':authority'));
    const absent = { ...empty, headers: headers.set('host', '127.0.0.1:9473') };
    expect(verify(absent)).toMatchObject({ code: 'header_unsigned' });
  });

  it('refuses a presigned URL', async () => {
    const target = '/acme-data/a?X-Amz-Signature=00';
    expect(verify(await signForS3(createRequest({ target })))?.code).toBe('presigned');
  });

  it.each([
    [-300_000, undefined],
    [300_000, undefined],
    [-301_000, 'clock_skew'],
    [301_000, 'clock_skew'],
  ])('answers for a clock that differs by %i ms with %s', async (skewMs, code) => {
    const signed = await signForS3(createRequest());
    expect(verify(signed, { nowMs: NOW_MS + skewMs })?.code).toBe(code);
  });

  it('refuses a scope of another day than the time', async () => {
    const signed = await signForS3(createRequest());
    const authorization = (signed.headers.get('authorization') ?? '').replace(
      '/20261128/',
      '/20261127/',
    );
    expect(verify(withHeaders(signed, { authorization }))?.message).toMatch(/credential scope/);
  });

  it.each(['', '2026-11-28T12:15:00Z', '20261128T121500', '20261328T121500Z', '20261128T250000Z'])(
    'refuses the time "%s"',
    async (time) => {
      const signed = await signForS3(createRequest());
      expect(verify(withHeaders(signed, { 'x-amz-date': time }))?.code).toBe('request_malformed');
    },
  );
});

describe('createTextSigner', () => {
  it('does not sign with the key of an earlier secret of the same ID', () => {
    const scope = { date: '20261128', region: 'eu-central-1', service: 's3' };
    const first = signText({ ...localKeys, secretAccessKey: 'first' }, scope, 'text');
    const second = signText({ ...localKeys, secretAccessKey: 'second' }, scope, 'text');
    const fresh = createTextSigner()({ ...localKeys, secretAccessKey: 'second' }, scope, 'text');
    expect(second).not.toBe(first);
    expect(second).toBe(fresh);
  });
});
