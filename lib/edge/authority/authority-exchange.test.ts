import { afterEach, describe, expect, test } from '@jest/globals';

import { createCertificateAuthority } from '../../certificate/certificate-authority.ts';
import {
  CREDENTIALS_TYPE,
  ID_TOKEN_TYPE,
  JWT_TYPE,
  TOKEN_EXCHANGE_GRANT,
  type TokenResponse,
} from '../../contract/authority-api.ts';
import { ExchangeError, type RunRequest } from '../../contract/exchange.ts';
import { buildTask } from '../../runs/fixtures/fake-exchange.ts';
import type { AuthorityExchangeDeps } from './authority-exchange.ts';
import { createAuthorityClient } from './authority-client.ts';
import {
  buildGrantedReply,
  buildRefusedReply,
  startFakeAuthority,
  type FakeReply,
} from './fixtures/fake-authority.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const request: RunRequest = { consumer: 'agent', task: buildTask(), params: { customer: 'acme' } };
const userToken = 'human.token.secret';

type Reply = Parameters<typeof startFakeAuthority>[0];

const withAuthority = async (
  reply: Reply,
  {
    replaceRoots = (own) => own,
    aheadMs = 0,
    ...overrides
  }: Partial<Omit<AuthorityExchangeDeps, 'connection'>> & {
    replaceRoots?: (own: string) => string;
    /** How far the clock of the authority is ahead when it signs its certificates. */
    aheadMs?: number;
  } = {},
) => {
  const authority = await startFakeAuthority(reply, undefined, Date.now() + aheadMs);
  closing.push(authority.stop);
  let reads = 0;
  let contacts = 0;
  const skews: number[] = [];
  const waits: number[] = [];
  const { exchange } = createAuthorityClient(
    { endpoint: authority.endpoint, roots: replaceRoots(authority.roots) },
    {
      readToken: () => `pod.token.${(reads += 1)}`,
      clock: { now: () => Date.now(), monotonic: () => performance.now() },
      reportSkew: (ms) => skews.push(ms),
      onContact: () => (contacts += 1),
      random: () => 0,
      pause: (ms) => {
        waits.push(ms);
        return Promise.resolve();
      },
      attemptTimeoutMs: 300,
      ...overrides,
    },
  );
  const run = (changes: Partial<RunRequest> = {}) =>
    exchange({ ...request, ...changes }, new AbortController().signal);
  return { authority, run, skews, waits, contacts: () => contacts };
};

const catchExchangeError = async (going: Promise<unknown>): Promise<ExchangeError> => {
  const thrown = await going.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof ExchangeError)) throw new Error(`expected an ExchangeError`);
  return thrown;
};

describe('createAuthorityExchange', () => {
  test("sends an RFC 8693 request with the pod's token and returns the run", async () => {
    const { authority, run, contacts } = await withAuthority((form) => buildGrantedReply(form));
    const issued = await run({ purpose: 'weekly' });
    expect(issued).toMatchObject({
      run: 'run-1',
      credentials: { accessKeyId: 'ASIA1', secretAccessKey: 'secret-1', sessionToken: 'session-1' },
      skewMs: 0,
      packedPolicyPercent: 7,
    });
    expect(Math.abs(issued.deadline - Date.now() - 600_000)).toBeLessThan(1000);
    expect(authority.forms).toHaveLength(1);
    const { authorization_details, attempt, ...fields } = authority.forms[0]?.fields ?? {};
    expect(attempt).toMatch(/^[0-9a-f-]{36}$/);
    expect(fields).toEqual({
      grant_type: TOKEN_EXCHANGE_GRANT,
      requested_token_type: CREDENTIALS_TYPE,
      capabilities: 'gates canaries',
      subject_token: 'pod.token.1',
      subject_token_type: JWT_TYPE,
    });
    expect(JSON.parse(authorization_details ?? '')).toEqual([
      {
        type: 'valetkey.dev/task',
        task: 'summarize',
        consumer: 'agent',
        params: { customer: 'acme' },
        purpose: 'weekly',
      },
    ]);
    expect(contacts()).toBe(1);
  });

  test("sends a user token as the subject and the pod's token as the actor", async () => {
    const { authority, run } = await withAuthority((form) => buildGrantedReply(form));
    await run({ userToken });
    expect(authority.forms[0]?.fields).toMatchObject({
      subject_token: userToken,
      subject_token_type: ID_TOKEN_TYPE,
      actor_token: 'pod.token.1',
      actor_token_type: JWT_TYPE,
    });
  });

  test('sends the ID of the request with each attempt', async () => {
    const { authority, run } = await withAuthority((form, before) =>
      before === 0 ? buildRefusedReply(503, 'kubernetes_unavailable') : buildGrantedReply(form),
    );
    await run({ requestId: 'request-1' });
    expect(authority.posts.map((headers) => headers['x-request-id'])).toEqual([
      'request-1',
      'request-1',
    ]);
  });

  test('reuses its connection', async () => {
    const { authority, run } = await withAuthority((form) => buildGrantedReply(form));
    await run();
    await run();
    expect(authority.connections()).toBe(1);
  });

  test('ignores members that a newer authority adds', async () => {
    const { run } = await withAuthority((form) =>
      buildGrantedReply(form, { novelty: 1 } as Partial<TokenResponse>),
    );
    expect((await run()).run).toBe('run-1');
  });

  test('ends at once when it is aborted', async () => {
    const { authority } = await withAuthority(() => 'hang');
    const { exchange } = createAuthorityClient(authority, {
      readToken: () => 'x',
      clock: { now: () => 0, monotonic: () => 0 },
      reportSkew: () => undefined,
      onContact: () => undefined,
      random: () => 0,
      pause: () => Promise.resolve(),
    });
    const abort = new AbortController();
    const pending = exchange(request, abort.signal);
    abort.abort(new Error('no caller waits'));
    await expect(pending).rejects.toThrow('no caller waits');
  });
});

describe('clock skew', () => {
  test.each([20_000, -20_000])(
    'the deadline is by ours, the authority being %d ms ahead',
    async (aheadMs) => {
      const { run, skews } = await withAuthority((form) => buildGrantedReply(form, { aheadMs }));
      const { deadline, skewMs } = await run();
      expect(Math.abs(deadline - Date.now() - 600_000)).toBeLessThan(1000);
      expect(skewMs).toBe(0);
      expect(Math.abs((skews[0] ?? 0) - aheadMs)).toBeLessThan(1000);
    },
  );

  test("keeps the cloud's skew against the authority, because the authority wrote the Deny", async () => {
    const { run } = await withAuthority((form) =>
      buildGrantedReply(form, { cloud_skew_ms: 4_000.5 }),
    );
    expect((await run()).skewMs).toBe(4_000.5);
  });

  test.each([
    [20_000, 20_000, 'ahead of'],
    [-20_000, -20_000, 'behind'],
    [40_000, 0, 'ahead of'],
  ])('are refused when in all they differ by more than 30 s', async (aheadMs, cloud, words) => {
    const { run, skews } = await withAuthority((form) =>
      buildGrantedReply(form, { aheadMs, cloud_skew_ms: cloud }),
    );
    expect(await catchExchangeError(run())).toMatchObject({
      kind: 'refused',
      code: 'clock_skew',
      message: expect.stringContaining(words),
    });
    expect(skews).toHaveLength(1);
  });
});

/** Each row: what the authority answers, how often it is asked, and what becomes of it. */
const failures: [string, FakeReply, number, 'refused' | 'unavailable', string][] = [
  ['a denial', buildRefusedReply(403, 'policy_denied'), 1, 'refused', 'policy_denied'],
  [
    'a pod that it does not know',
    buildRefusedReply(403, 'pod_not_found'),
    1,
    'refused',
    'pod_not_found',
  ],
  [
    'a token that has expired',
    buildRefusedReply(400, 'token_expired'),
    2,
    'refused',
    'token_expired',
  ],
  ['a flood', buildRefusedReply(429, 'rate_limited_pod'), 3, 'unavailable', 'rate_limited_pod'],
  [
    'a cloud that is away',
    buildRefusedReply(503, 'cloud_unavailable'),
    3,
    'unavailable',
    'cloud_unavailable',
  ],
  [
    'an internal error',
    buildRefusedReply(500, 'internal_error'),
    3,
    'unavailable',
    'internal_error',
  ],
  ['an error page', { status: 502, body: '<html>' }, 3, 'unavailable', 'http_502'],
  ['an empty 404', { status: 404, body: '' }, 1, 'refused', 'http_404'],
  ['a redirect', { status: 302, body: '' }, 3, 'unavailable', 'http_302'],
  ['a broken connection', 'cut', 3, 'unavailable', 'authority_unreachable'],
  ['no response', 'hang', 3, 'unavailable', 'authority_unreachable'],
  [
    'an answer without an end',
    { status: 200, body: 'x'.repeat(300_000) },
    1,
    'unavailable',
    'authority_unreachable',
  ],
];

/** A clock that gives up after the third attempt. */
const createThreeAttemptClock = () => {
  let looks = 0;
  return { now: () => Date.now(), monotonic: () => looks++ * 4_000 };
};

describe('a failed response', () => {
  test.each(failures)(
    '%s is retried and converted as its code requires',
    async (_, reply, asked, kind, code) => {
      const { authority, run } = await withAuthority(() => reply, {
        clock: createThreeAttemptClock(),
      });
      expect(await catchExchangeError(run())).toMatchObject({ kind, code });
      expect(authority.forms).toHaveLength(asked);
    },
  );

  test('contains the reason and the deciding policies', async () => {
    const { run, contacts } = await withAuthority(() =>
      buildRefusedReply(403, 'policy_denied', {
        error_description: 'nothing permits s3:DeleteObject',
        policies: ['starter/0', 'guard/1'],
      }),
    );
    const { message } = await catchExchangeError(run());
    expect(message).toContain('nothing permits s3:DeleteObject');
    expect(message).toContain('starter/0, guard/1');
    expect(contacts()).toBe(1);
  });

  test('has the same attempt in each repetition, and another one in the next exchange', async () => {
    const { authority, run } = await withAuthority((form, before) =>
      before === 0 ? buildRefusedReply(503, 'draining') : buildGrantedReply(form),
    );
    await run();
    await run();
    const attempts = authority.forms.map(({ fields }) => fields['attempt']);
    expect(attempts[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(attempts[1]).toBe(attempts[0]);
    expect(attempts[2]).not.toBe(attempts[0]);
  });

  test('is retried with a token that is read again', async () => {
    const { authority, run, contacts } = await withAuthority((form, before) =>
      before === 0 ? buildRefusedReply(503, 'draining') : buildGrantedReply(form),
    );
    expect((await run()).run).toBe('run-1');
    expect(authority.forms.map(({ fields }) => fields['subject_token'])).toEqual([
      'pod.token.1',
      'pod.token.2',
    ]);
    expect(contacts()).toBe(1);
  });

  test('with an expired token is retried once with a new token', async () => {
    const { run } = await withAuthority((form, before) =>
      before === 0 ? buildRefusedReply(400, 'token_expired') : buildGrantedReply(form),
    );
    expect((await run()).run).toBe('run-1');
  });

  test('with a short Retry-After is retried after it plus jitter', async () => {
    const { run, waits } = await withAuthority(
      (form, before) =>
        before === 0
          ? buildRefusedReply(429, 'rate_limited_pod', {}, { 'Retry-After': '2' })
          : buildGrantedReply(form),
      { random: () => 0.5 },
    );
    await run();
    expect(waits).toEqual([2_100]);
  });

  test('with a long Retry-After is not retried, and the consumer gets the time', async () => {
    const { authority, run } = await withAuthority(() =>
      buildRefusedReply(503, 'overloaded', {}, { 'Retry-After': '20' }),
    );
    expect(await catchExchangeError(run())).toMatchObject({ retryAfterMs: 20_000 });
    expect(authority.forms).toHaveLength(1);
  });
});

describe('a user token, which is accepted once,', () => {
  const failuresOfUserToken: [string, FakeReply, number][] = [
    ['the response was lost', 'cut', 1],
    ['the cloud was unavailable', buildRefusedReply(503, 'cloud_unavailable'), 1],
    ['the authority had not read it', buildRefusedReply(429, 'rate_limited_peer'), 3],
  ];
  test.each(failuresOfUserToken)(
    'is presented again only where it cannot be a replay: %s',
    async (_, reply, asked) => {
      const { authority, run } = await withAuthority(() => reply, {
        clock: createThreeAttemptClock(),
      });
      expect((await catchExchangeError(run({ userToken }))).kind).toBe('unavailable');
      expect(authority.forms).toHaveLength(asked);
    },
  );
});

/** Each row: what is wrong with the answer, and the member that the error names. */
const invalid: [string, Parameters<typeof buildGrantedReply>[1], string][] = [
  ['another token type', { issued_token_type: 'x' as never }, 'issued_token_type'],
  ['a bearer token', { token_type: 'Bearer' as never }, 'token_type'],
  ['an invalid run ID', { run: '../x' }, 'run'],
  ['no deadline', { deadline_ms: undefined as never }, 'deadline_ms'],
  ['a deadline in seconds', { deadline_ms: 1_900_000_000 }, 'deadline_ms'],
  ['an invalid time', { answered_at_ms: 'now' as never }, 'answered_at_ms'],
  [
    'another task',
    { authorization_details: [buildDetail({ task: 'other' })] },
    'authorization_details',
  ],
  [
    'other params',
    { authorization_details: [buildDetail({ params: {} })] },
    'authorization_details',
  ],
  [
    'more than was asked',
    { authorization_details: [buildDetail(), buildDetail()] },
    'authorization_details',
  ],
  ['a token that is not base64url', { access_token: 'very secret!' }, 'access_token'],
  ['a token that is not JSON', { access_token: 'dmVyeSBzZWNyZXQ' }, '(root)'],
  ['an invalid key', { credentials: { SecretAccessKey: 'very secret' } }, 'SecretAccessKey'],
  ['no session token', { credentials: { Token: undefined } }, 'Token'],
];

function buildDetail(changes: object = {}): never {
  const asked = { type: 'valetkey.dev/task', task: 'summarize', consumer: 'agent' };
  return { ...asked, params: { customer: 'acme' }, ...changes } as never;
}

describe('an invalid response', () => {
  test.each(invalid)(
    '%s: names the member, shows no secret and is not asked for again',
    async (_, changes, member) => {
      const { authority, run } = await withAuthority((form) => buildGrantedReply(form, changes));
      const { code, kind, message } = await catchExchangeError(run());
      expect([kind, code]).toEqual(['unavailable', 'authority_response_invalid']);
      expect(message).toContain(member);
      expect(message).not.toMatch(/very.?secret|secret-1|session-1|dmVye/);
      expect(authority.forms).toHaveLength(1);
    },
  );

  test('that quotes a token is not quoted', async () => {
    const { run } = await withAuthority(({ fields }) =>
      buildRefusedReply(403, 'x', {
        error_description: `what is ${String(fields['subject_token'])}?`,
      }),
    );
    const { message, cause } = await catchExchangeError(run({ userToken }));
    expect(message).not.toContain(userToken);
    expect(cause).toBeUndefined();
  });
});

describe('the trust bundle', () => {
  test('is the only trust anchor', async () => {
    const other = await createCertificateAuthority({ now: Date.now(), lifetimeMs: 60_000 });
    const { authority, run } = await withAuthority((form) => buildGrantedReply(form), {
      replaceRoots: () => other.certificate,
      clock: createThreeAttemptClock(),
    });
    const { code, message } = await catchExchangeError(run());
    expect(code).toBe('authority_unreachable');
    expect(message).toContain('trust bundle');
    expect(authority.forms).toEqual([]);
  });

  test.each([
    ['behind that of the authority', 600_000, 'is not yet valid (CERT_NOT_YET_VALID)'],
    ['ahead of that of the authority', -7_200_000, 'has expired (CERT_HAS_EXPIRED)'],
  ])('does not hide that the clock is %s', async (_, aheadMs, expected) => {
    const { run } = await withAuthority((form) => buildGrantedReply(form), {
      aheadMs,
      clock: createThreeAttemptClock(),
    });
    const { kind, code, message } = await catchExchangeError(run());
    expect([kind, code]).toEqual(['unavailable', 'authority_unreachable']);
    expect(message).toContain(`By this node's clock, the authority's certificate ${expected}.`);
  });

  test('may contain several CAs during a rotation', async () => {
    const other = await createCertificateAuthority({ now: Date.now(), lifetimeMs: 60_000 });
    const { run } = await withAuthority((form) => buildGrantedReply(form), {
      replaceRoots: (own) => `${other.certificate}\n${own}`,
    });
    expect((await run()).run).toBe('run-1');
  });
});
