import { env } from 'node:process';

import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';

import { createCertificateAuthority, signLeaf } from '../../certificate/certificate-authority.ts';
import type { Exchange } from '../../contract/exchange.ts';
import { buildTask } from '../../runs/fixtures/fake-exchange.ts';
import { createUpstreamClient } from '../http/upstream-client.ts';
import {
  buildIssuedReply,
  buildS3ErrorReply,
  startProxyStub,
  startStsStub,
  buildStsErrorReply,
  type StubReply,
} from './fixtures/sts-stub.ts';
import type { StsSettings } from './sts-call.ts';
import { createStsClient } from './sts-client.ts';
import { createStsExchange, type StsExchangeDeps } from './sts-exchange.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const buildSettings = (endpoint: string): StsSettings => ({
  region: 'eu-central-1',
  stsEndpoint: endpoint,
  allowHttp: endpoint.startsWith('http:'),
});

/** How the tests that run now connect. */
let isPooled = false;

const sendPooled = (settings: StsSettings) => {
  const client = createUpstreamClient(settings, { isAllowedAddress: () => true });
  closing.push(client.close);
  return client.send;
};

const createExchange = (settings: StsSettings, overrides: Partial<StsExchangeDeps> = {}) => {
  const skews: number[] = [];
  let reads = 0;
  const exchange = createStsExchange({
    assumeRole: createStsClient(settings, {
      attemptTimeoutMs: 300,
      ...(isPooled ? { send: sendPooled(settings) } : {}),
    }),
    readToken: () => `token.number.${(reads += 1)}`,
    sessionPolicy: (_, deadline) => JSON.stringify({ deadline }),
    sessionName: (run) => `pod@${run}`,
    newRun: () => 'run-1',
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    reportSkew: (ms) => skews.push(ms),
    random: () => 0,
    ...overrides,
  });
  return { exchange, skews };
};

const withStub = async (reply: Parameters<typeof startStsStub>[0]) => {
  const stub = await startStsStub(reply);
  closing.push(stub.close);
  return { stub, ...createExchange(buildSettings(`http://127.0.0.1:${stub.port}`)) };
};

const buildRequest = (lifetimeSeconds = 600) => ({
  consumer: 'agent',
  task: buildTask({ lifetimeSeconds }),
  params: {},
});

const runExchange = (exchange: Exchange, lifetimeSeconds?: number) =>
  exchange(buildRequest(lifetimeSeconds), new AbortController().signal);

describe.each([
  ['connections of each call', false],
  ['pooled connections', true],
])('over %s', (_name, pooled) => {
  beforeAll(() => {
    isPooled = pooled;
  });
  describe('createStsExchange', () => {
    test('returns the keys, the deadline and the skew of a run', async () => {
      const { exchange, skews, stub } = await withStub((form) => buildIssuedReply(form));
      const before = Date.now();
      const issued = await runExchange(exchange);
      expect(issued).toMatchObject({
        run: 'run-1',
        credentials: {
          accessKeyId: 'ASIA1',
          secretAccessKey: 'secret-1',
          sessionToken: 'session-1',
        },
        packedPolicyPercent: 7,
      });
      expect(issued.deadline % 1000).toBe(0);
      expect(issued.deadline).toBeGreaterThan(before + 599_000 - 1000);
      expect(issued.deadline).toBeLessThanOrEqual(Date.now() + 600_000);
      expect(skews).toEqual([issued.skewMs]);
      expect(Math.abs(issued.skewMs)).toBeLessThan(2000);
      expect(Object.fromEntries(stub.calls[0] ?? [])).toMatchObject({
        Action: 'AssumeRoleWithWebIdentity',
        RoleArn: 'arn:aws:iam::111122223333:role/agent-reports',
        RoleSessionName: 'pod@run-1',
        WebIdentityToken: 'token.number.1',
        Policy: JSON.stringify({ deadline: issued.deadline }),
        DurationSeconds: '900',
      });
    });

    test("requests a session of the task's lifetime if STS issues it", async () => {
      const { exchange, stub } = await withStub((form) => buildIssuedReply(form));
      await runExchange(exchange, 3600);
      expect(stub.calls[0]?.get('DurationSeconds')).toBe('3600');
    });

    test.each([
      ['ahead', 29_000],
      ['behind', -29_000],
    ])('bears a clock that is %s by less than 30 s', async (_, aheadMs) => {
      const { exchange } = await withStub((form) => buildIssuedReply(form, aheadMs));
      const { skewMs } = await runExchange(exchange);
      expect(Math.abs(skewMs - aheadMs)).toBeLessThan(1500);
    });

    test.each([
      ['ahead of', 40_000],
      ['behind', -40_000],
    ])('refuses a clock that is more than 30 s %s ours, and reports it', async (words, aheadMs) => {
      const { exchange, skews } = await withStub((form) => buildIssuedReply(form, aheadMs));
      await expect(runExchange(exchange)).rejects.toMatchObject({
        kind: 'refused',
        code: 'clock_skew',
        message: expect.stringContaining(words),
      });
      expect(skews).toHaveLength(1);
    });
  });

  /** Each row: what STS says, how often it is asked, and what becomes of it. */
  const table: [string, StubReply, number, 'refused' | 'unavailable', string][] = [
    ['AccessDenied', buildStsErrorReply(403, 'AccessDenied'), 1, 'refused', 'AccessDenied'],
    [
      'a bad policy',
      buildStsErrorReply(400, 'MalformedPolicyDocument'),
      1,
      'refused',
      'MalformedPolicyDocument',
    ],
    [
      'a large policy',
      buildStsErrorReply(400, 'PackedPolicyTooLarge'),
      1,
      'refused',
      'PackedPolicyTooLarge',
    ],
    [
      'a rejected claim',
      buildStsErrorReply(403, 'IDPRejectedClaim'),
      1,
      'refused',
      'IDPRejectedClaim',
    ],
    [
      'a disabled region',
      buildStsErrorReply(403, 'RegionDisabledException'),
      1,
      'refused',
      'RegionDisabledException',
    ],
    ['an unknown error', buildStsErrorReply(400, 'Novelty'), 1, 'refused', 'Novelty'],
    [
      'an expired token',
      buildStsErrorReply(400, 'ExpiredTokenException'),
      2,
      'refused',
      'ExpiredTokenException',
    ],
    [
      'a bad token',
      buildStsErrorReply(400, 'InvalidIdentityToken'),
      2,
      'refused',
      'InvalidIdentityToken',
    ],
    [
      'AccessDenied in the format of Ceph',
      buildS3ErrorReply(403, 'AccessDenied'),
      1,
      'refused',
      'AccessDenied',
    ],
    [
      'an expired token in the format of Ceph',
      buildS3ErrorReply(400, 'ExpiredToken'),
      2,
      'refused',
      'ExpiredToken',
    ],
    [
      'a web page',
      { status: 200, body: '<html>hello</html>' },
      1,
      'unavailable',
      'sts_answer_invalid',
    ],
    ['noise', { status: 200, body: 'hello' }, 1, 'unavailable', 'sts_answer_invalid'],
    ['a redirect', { status: 302, body: '' }, 1, 'refused', 'http_302'],
  ];

  describe('an error of STS', () => {
    test.each(table)(
      '%s is converted as the table requires',
      async (_, reply, asked, kind, code) => {
        const { exchange, stub } = await withStub(() => reply);
        await expect(runExchange(exchange)).rejects.toMatchObject({ kind, code });
        expect(stub.calls).toHaveLength(asked);
      },
    );

    const passing: [string, StubReply][] = [
      ['an unreachable issuer', buildStsErrorReply(400, 'IDPCommunicationError')],
      ['throttling', buildStsErrorReply(400, 'Throttling')],
      ['throttling by status', { status: 429, body: '' }],
      ['an internal failure', buildStsErrorReply(500, 'InternalFailure')],
      ["a gateway's page", { status: 502, body: '<html><p>bad gateway</html>' }],
      ['an error that breaks off', { status: 503, body: '<ErrorResponse><Err', isTruncated: true }],
      ['a dropped connection', 'hang up'],
      ['a missing response', 'no response'],
    ];
    test.each(passing)('%s is retried and succeeds', async (_, reply) => {
      const { exchange, stub } = await withStub((form, number) =>
        number < 3 ? reply : buildIssuedReply(form),
      );
      expect(await runExchange(exchange)).toMatchObject({ credentials: { accessKeyId: 'ASIA1' } });
      expect(stub.calls).toHaveLength(3);
    });

    test.each(['ExpiredTokenException', 'InvalidIdentityToken'])(
      '%s is retried once with a token that is read again',
      async (code) => {
        const { exchange, stub } = await withStub((form, number) =>
          number === 1 ? buildStsErrorReply(400, code) : buildIssuedReply(form),
        );
        await runExchange(exchange);
        expect(stub.calls.map((form) => form.get('WebIdentityToken'))).toEqual([
          'token.number.1',
          'token.number.2',
        ]);
      },
    );

    test('is unavailable after the retry budget', async () => {
      let elapsed = 0;
      const stub = await startStsStub(() => buildStsErrorReply(503, 'ServiceUnavailable'));
      closing.push(stub.close);
      const { exchange } = createExchange(buildSettings(`http://127.0.0.1:${stub.port}`), {
        clock: { now: () => Date.now(), monotonic: () => elapsed },
        random: () => 1,
        pause: (ms) => Promise.resolve(void (elapsed += ms)),
      });
      await expect(runExchange(exchange)).rejects.toMatchObject({
        kind: 'unavailable',
        code: 'ServiceUnavailable',
      });
      expect(stub.calls.length).toBeGreaterThan(3);
      expect(elapsed).toBeLessThan(10_000);
    });

    test('of a policy that is too large names the fix', async () => {
      const { exchange } = await withStub(() => buildStsErrorReply(400, 'PackedPolicyTooLarge'));
      await expect(runExchange(exchange)).rejects.toThrow(/fewer or shorter resources/);
    });

    test('is not retried after an abort', async () => {
      const abort = new AbortController();
      const { exchange, stub } = await withStub(() => {
        abort.abort();
        return 'no response';
      });
      await expect(exchange(buildRequest(), abort.signal)).rejects.toThrow();
      expect(stub.calls).toHaveLength(1);
    });

    test('that quotes the token is not quoted', async () => {
      const { exchange } = await withStub((form) =>
        buildStsErrorReply(403, 'AccessDenied', `no: ${form.get('WebIdentityToken') ?? ''}`),
      );
      await expect(runExchange(exchange)).rejects.toThrow(
        expect.not.stringContaining('token.number'),
      );
    });

    const pieces: [string, (token: string) => string][] = [
      ['as the rest of a long message', (token) => `no: ${token.slice(0, 40)}…`],
      ['by its signature alone', (token) => token.slice(token.lastIndexOf('.') + 1)],
    ];
    test.each(pieces)('that quotes the token %s is not quoted', async (_, quote) => {
      const [head, claims, signature] = ['a', 'b', 'c'].map((each) => each.repeat(60));
      const token = `${head}.${claims}.${signature}`;
      const { stub } = await withStub(() => buildStsErrorReply(403, 'AccessDenied', quote(token)));
      const { exchange } = createExchange(buildSettings(`http://127.0.0.1:${stub.port}`), {
        readToken: () => token,
      });
      await expect(runExchange(exchange)).rejects.toThrow(/AccessDenied\)$/);
    });

    test('does not occur for an unreadable token, which is not sent', async () => {
      const { stub } = await withStub((form) => buildIssuedReply(form));
      const { exchange } = createExchange(buildSettings(`http://127.0.0.1:${stub.port}`), {
        readToken: () => {
          throw new Error('unreadable');
        },
      });
      await expect(runExchange(exchange)).rejects.toThrow('unreadable');
      expect(stub.calls).toHaveLength(0);
    });
  });

  describe('the connection to a cloud', () => {
    const startSecureStub = async () => {
      const now = Date.now();
      const authority = await createCertificateAuthority({ now, lifetimeMs: 3_600_000 });
      const leaf = await signLeaf(authority, { names: ['localhost'], now, lifetimeMs: 3_600_000 });
      const tls = { cert: leaf.certificate, key: leaf.key };
      const stub = await startStsStub((form) => buildIssuedReply(form), tls);
      closing.push(stub.close);
      return { stub, caBundle: authority.certificate, endpoint: `https://localhost:${stub.port}` };
    };

    test('trusts only the CA bundle', async () => {
      const { stub, endpoint, caBundle } = await startSecureStub();
      const trusting = createExchange({ ...buildSettings(endpoint), caBundle });
      expect(await runExchange(trusting.exchange)).toMatchObject({
        credentials: { accessKeyId: 'ASIA1' },
      });
      const strange = createExchange(buildSettings(endpoint), {
        random: () => 1,
        clock: createHastyClock(),
      });
      await expect(runExchange(strange.exchange)).rejects.toThrow(/certificate.*caBundle/);
      expect(stub.calls).toHaveLength(1);
    });

    test('uses the proxy and stays encrypted', async () => {
      const { stub, endpoint, caBundle } = await startSecureStub();
      const proxy = await startProxyStub();
      closing.push(proxy.close);
      const httpsProxy = `http://127.0.0.1:${proxy.port}`;
      const { exchange } = createExchange({ ...buildSettings(endpoint), caBundle, httpsProxy });
      expect(await runExchange(exchange)).toMatchObject({ credentials: { accessKeyId: 'ASIA1' } });
      expect(proxy.tunnels).toEqual([`localhost:${stub.port}`]);
    });

    test('does not use the proxy for a host of noProxy', async () => {
      const { stub, endpoint, caBundle } = await startSecureStub();
      const proxy = await startProxyStub();
      closing.push(proxy.close);
      const httpsProxy = `http://127.0.0.1:${proxy.port}`;
      const settings = { ...buildSettings(endpoint), caBundle, httpsProxy, noProxy: ['localhost'] };
      expect(await runExchange(createExchange(settings).exchange)).toMatchObject({
        credentials: { accessKeyId: 'ASIA1' },
      });
      expect(proxy.tunnels).toEqual([]);
      expect(stub.calls).toHaveLength(1);
    });

    test('uses the regional endpoint of AWS by default, whatever the environment and ~/.aws contain', async () => {
      const proxy = await startProxyStub();
      closing.push(proxy.close);
      const misleading = { AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:1', AWS_PROFILE: 'unknown' };
      Object.assign(env, misleading);
      closing.push(async () => {
        for (const name of Object.keys(misleading)) Reflect.deleteProperty(env, name);
        await Promise.resolve();
      });
      const httpsProxy = `http://127.0.0.1:${proxy.port}`;
      const settings = { region: 'eu-south-2', allowHttp: false, httpsProxy };
      await expect(
        runExchange(createExchange(settings, { clock: createHastyClock() }).exchange),
      ).rejects.toMatchObject({
        code: 'sts_unreachable',
      });
      expect(proxy.tunnels).toEqual(['sts.eu-south-2.amazonaws.com:443']);
    });

    test('rejects http unless the platform allows it', () => {
      const settings = { region: 'x', stsEndpoint: 'http://127.0.0.1:1', allowHttp: false };
      expect(() => createStsClient(settings)).toThrow(/allowHttp/);
    });

    test('that fails is unavailable and names what to check', async () => {
      const { exchange } = createExchange(buildSettings('http://127.0.0.1:1'), {
        clock: createHastyClock(),
      });
      await expect(runExchange(exchange)).rejects.toMatchObject({
        kind: 'unavailable',
        code: 'sts_unreachable',
        message: expect.stringContaining('cloud.stsEndpoint'),
      });
    });
  });

  /** A clock on which every budget is over at once. */
  const createHastyClock = () => {
    let at = 0;
    return { now: () => Date.now(), monotonic: () => (at += 20_000) };
  };
});
