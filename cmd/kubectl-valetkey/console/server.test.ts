import { afterEach, describe, expect, it } from '@jest/globals';

import type { RevocationSpec } from '../../../lib/contract/authority-api.ts';
import type { ApprovalRequest, ApprovalSpec } from '../../../lib/contract/approvals.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import { REQUEST_NAME, SAMPLE_REQUEST } from '../../../test/kit/approval-cases.ts';
import { createHealthyCluster } from '../fixtures/cli-harness.ts';
import type { ClusterClient } from '../cluster.ts';
import { listForms, sendRaw, startTestConsole } from './fixtures/test-console.ts';

const NOW = Date.parse('2026-01-05T13:30:00Z');
const REQUEST: ApprovalRequest = {
  ...{ name: REQUEST_NAME, namespace: 'research', uid: 'uid-1', createdAt: NOW - 60_000 },
  spec: {
    ...SAMPLE_REQUEST,
    request: [{ name: 'resources', value: '<script>alert(1)</script>\u202e' }],
  },
};
const DETAIL = `/approvals/research/${REQUEST_NAME}`;

let running: Awaited<ReturnType<typeof startTestConsole>> | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

/** A console whose cluster has one request, and what was written to the cluster. */
const start = async (
  cluster: Partial<ClusterClient> = {},
  { isReadOnly = false }: { readonly isReadOnly?: boolean } = {},
) => {
  const state: { request: ApprovalRequest | undefined } = { request: REQUEST };
  const decided: ApprovalSpec[] = [];
  const revocations: RevocationSpec[] = [];
  const approvals: ClusterClient['approvals'] = {
    list: () => Promise.resolve(state.request === undefined ? [] : [state.request]),
    read: () => Promise.resolve(state.request),
    listDecisions: () => Promise.resolve([]),
    decide: (_, { spec }) => {
      decided.push(spec);
      return Promise.resolve('created');
    },
  };
  running = await startTestConsole(
    {
      ...createHealthyCluster(),
      approvals,
      createRevocation: (_, spec) => {
        revocations.push(spec);
        return Promise.resolve('created');
      },
      ...cluster,
    },
    { now: NOW, isReadOnly },
  );
  return { ...running, state, decided, revocations };
};

describe('a request to the console', () => {
  it.each(['/', '/runs', '/approvals', DETAIL, '/decisions', '/policies', '/revocations'])(
    'shows %s with headers that keep other pages out',
    async (path) => {
      const { get, errors } = await start();
      const { status, headers, body } = await get(path);
      expect([status, errors]).toEqual([200, []]);
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy':
          "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'cache-control': 'no-store',
        'referrer-policy': 'same-origin',
      });
      expect(headers['set-cookie']).toBeUndefined();
      expect(body).toContain('<h1>');
      expect(body).not.toMatch(/<script|javascript:|\son[a-z]+=|\sstyle=|<style/i);
    },
  );

  it('gets the style sheet below the key only', async () => {
    const { get, origin } = await start();
    expect((await get('/style.css')).headers['content-type']).toBe('text/css; charset=utf-8');
    expect(await sendRaw(`${origin}/style.css`)).toMatchObject({ status: 404, body: '' });
  });

  const wrongPaths: readonly (readonly [string, (key: string) => string])[] = [
    ['without a key', () => '/'],
    ['with another key', (key) => `/${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}/`],
    ['with a shorter key', (key) => `/${key.slice(0, -1)}/`],
    ['with the key alone', (key) => `/${key}`],
    ['of another route', (key) => `/${key}/other`],
    ['of a route with an escaped slash', (key) => `/${key}/policies%2fvaletkey-starter`],
    ['of a request with another name', (key) => `/${key}/approvals/research/ar-1`],
  ];
  it.each(wrongPaths)('gets 404 without text %s', async (_, path) => {
    const { session, origin } = await start();
    const found = await sendRaw(`${origin}${path(session.key)}`);
    expect(found).toMatchObject({ status: 404, body: '' });
    expect(found.headers['content-type']).toBeUndefined();
  });

  it.each([
    'localhost:PORT',
    'attacker.example:PORT',
    'attacker.example',
    '127.0.0.1',
    '127.0.0.1.:PORT',
  ])('gets 404 without text for the Host "%s"', async (host) => {
    const { url } = await start();
    const headers = { Host: host.replace('PORT', new URL(url).port) };
    expect(await sendRaw(url, { headers })).toMatchObject({ status: 404, body: '' });
  });

  it.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS'])('gets 404 for %s', async (method) => {
    const { url } = await start();
    expect(await sendRaw(url, { method })).toMatchObject({ status: 404, body: '' });
  });

  it('counts only with the key: others do not keep the session open', async () => {
    const { get, origin, requests } = await start();
    await sendRaw(`${origin}/wrong/`);
    expect(requests()).toBe(0);
    await get('/policies');
    expect(requests()).toBe(1);
  });

  it('escapes what agents and authors of policies wrote', async () => {
    const { get } = await start();
    const { body } = await get(DETAIL);
    expect(body).toContain('&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}');
    expect(body).not.toContain('\u202e');
  });

  it('changes nothing with GET', async () => {
    const { get, decided, revocations } = await start();
    for (const path of [`${DETAIL}?decision=approve&group=data-owners`, '/revocations?kind=all'])
      await get(path);
    expect([decided, revocations]).toEqual([[], []]);
  });
});

describe('a form of the console', () => {
  it.each([
    ['approve', 'approved', 'one note'],
    ['deny', 'denied', ''],
  ])('records the decision %s under the name of the user', async (decision, notice, reason) => {
    const { post, findForm, decided, get } = await start();
    const form = await findForm(DETAIL, REQUEST_NAME);
    const { status, headers } = await post(form, { decision, reason });
    expect([status, headers['location']]).toEqual([303, `${form.action}?notice=${notice}`]);
    expect(decided).toEqual([
      {
        request: { name: REQUEST_NAME, uid: 'uid-1', digest: SAMPLE_REQUEST.digest },
        ...{ decision, group: 'data-owners', by: 'alice' },
        ...(reason !== '' && { reason }),
      },
    ]);
    expect((await get(`${DETAIL}?notice=${notice}`)).body).toContain('was recorded');
  });

  it.each([
    ['without an Origin', { Origin: '' }],
    ['from another port', { Origin: 'http://127.0.0.1:1' }],
    ['from a page without an origin', { Origin: 'null' }],
    ['from localhost', { Origin: 'http://localhost:PORT' }],
  ])('is refused %s', async (_, headers) => {
    const { post, findForm, decided, origin } = await start();
    const form = await findForm(DETAIL, REQUEST_NAME);
    const sent = { Origin: headers.Origin.replace('PORT', new URL(origin).port) };
    const { status, body } = await post(form, { decision: 'approve' }, sent);
    expect([status, decided]).toEqual([403, []]);
    expect(body).toContain('Origin: expected a form of this console');
  });

  it.each([
    ['another token', { csrf: 'x' }],
    ['no token', { csrf: '' }],
    ['another UID', { uid: 'uid-2' }],
  ])('is refused with %s', async (_, fields) => {
    const { post, findForm, decided } = await start();
    const form = await findForm(DETAIL, REQUEST_NAME);
    const { status } = await post(form, { decision: 'approve', ...fields });
    expect([status, decided]).toEqual([403, []]);
  });

  it('is refused with the token of another form', async () => {
    const { post, findForm, revocations } = await start();
    const { fields } = await findForm(DETAIL, REQUEST_NAME);
    const form = await findForm('/revocations', '/revocations');
    const { status } = await post(form, {
      ...{ csrf: fields['csrf'] ?? '', kind: 'namespace', target: 'research', confirm: 'yes' },
      reason: 'x',
    });
    expect([status, revocations]).toEqual([403, []]);
  });

  it.each([
    ['another UID', { uid: 'uid-2' }],
    ['another digest', { spec: { ...REQUEST.spec, digest: 'b2'.repeat(32) } }],
  ])('is refused when the request was made again with %s', async (_, change) => {
    const { post, findForm, state, decided } = await start();
    const form = await findForm(DETAIL, REQUEST_NAME);
    state.request = { ...REQUEST, ...change };
    const { status, body } = await post(form, { decision: 'approve' });
    expect([status, decided]).toEqual([409, []]);
    expect(body).toContain('got another of the same name');
  });

  it('is refused when the request is gone', async () => {
    const { post, findForm, state, decided } = await start();
    const form = await findForm(DETAIL, REQUEST_NAME);
    state.request = undefined;
    expect((await post(form, { decision: 'approve' })).status).toBe(409);
    expect(decided).toEqual([]);
  });

  it.each([
    ['a review', { decision: 'review' }],
    ['a group that was not asked', { decision: 'approve', group: 'security' }],
    ['a reason that is too long', { decision: 'approve', reason: 'x'.repeat(257) }],
  ])('is refused with %s', async (_, fields) => {
    const { post, findForm, decided } = await start();
    const form = await findForm(DETAIL, REQUEST_NAME);
    expect((await post(form, fields)).status).toBe(400);
    expect(decided).toEqual([]);
  });

  it.each([
    ['another type', { 'Content-Type': 'text/plain' }, ''],
    ['more than 8 KiB', {}, 'x'.repeat(9000)],
  ])('is refused with %s', async (_, headers, padding) => {
    const { post, findForm, decided } = await start();
    const form = await findForm(DETAIL, REQUEST_NAME);
    const { status } = await post(form, { decision: 'approve', padding }, headers);
    expect([status, decided]).toEqual([400, []]);
  });

  it.each<readonly [Record<string, string>, object]>([
    [{ kind: 'run', target: 'run-1' }, { run: 'run-1' }],
    [{ kind: 'pod', target: 'a/b', until: '2h' }, { pod: { namespace: 'a', name: 'b' } }],
    [{ kind: 'namespace', target: 'a', confirm: 'yes' }, { namespace: 'a' }],
    [{ kind: 'all', target: '', confirm: 'yes' }, { all: true }],
  ])('creates a Revocation from %j', async (fields, target) => {
    const { post, findForm, revocations } = await start();
    const form = await findForm('/revocations', '/revocations');
    expect((await post(form, { ...fields, reason: 'odd reads' })).status).toBe(303);
    const until = fields['until'] && { until: '2026-01-05T15:30:00.000Z' };
    expect(revocations).toEqual([{ ...target, reason: 'odd reads', by: 'alice', ...until }]);
  });

  it.each<readonly [Record<string, string>, string]>([
    [{ kind: 'namespace', target: 'a' }, 'confirm: expected the box to be checked'],
    [{ kind: 'all', target: '' }, 'confirm: expected the box to be checked'],
    [{ kind: 'all', target: 'a', confirm: 'yes' }, 'target: expected nothing'],
    [{ kind: 'pod', target: 'a' }, 'pod: expected namespace/name, got a'],
    [{ kind: '__proto__', target: 'a' }, 'kind: expected a kind of target'],
    [{ kind: 'run', target: 'a', reason: '' }, 'reason: expected 1 to 256 characters'],
  ])('creates no Revocation from %j', async (fields, expected) => {
    const { post, findForm, revocations } = await start();
    const form = await findForm('/revocations', '/revocations');
    const { status, body } = await post(form, { reason: 'x', ...fields });
    expect([status, revocations]).toEqual([400, []]);
    expect(body).toContain(expected);
  });
});

describe('actions that are not offered', () => {
  const refuseGroup: Partial<ClusterClient> = {
    checkAccess: ({ resource }) => Promise.resolve(resource !== 'approvalgroups'),
  };

  it('are absent without the right, with the reason', async () => {
    const { get } = await start(refuseGroup);
    const { body } = await get(DETAIL);
    expect(listForms(body)).toEqual([]);
    expect(body).toContain(
      'You do not have the right to approve approvalgroups/data-owners in the whole cluster.',
    );
  });

  it('are absent while rights are unknown', async () => {
    const checkAccess = () =>
      Promise.reject(new KubernetesError('unavailable', 'create x', { reason: 'a secret body' }));
    const { get } = await start({ checkAccess });
    const { body } = await get('/revocations');
    expect(listForms(body)).toEqual([]);
    expect(body).toContain('Your rights are unknown: create x: unavailable.');
    expect(body).not.toContain('a secret body');
  });

  it('are absent for a request that was used', async () => {
    const { get, state } = await start();
    state.request = { ...REQUEST, state: 'used' };
    const { body } = await get(DETAIL);
    expect(listForms(body)).toEqual([]);
    expect(body).toContain('The request is used.');
  });

  it('are absent, with their routes, in a console that is read-only', async () => {
    const { get, post, decided, session } = await start({}, { isReadOnly: true });
    for (const path of [DETAIL, '/revocations', '/runs']) {
      const { body } = await get(path);
      expect(listForms(body)).toEqual([]);
      expect(body).toContain('--read-only');
    }
    const fields = { uid: 'uid-1', csrf: session.buildCsrfToken({ path: DETAIL, uid: 'uid-1' }) };
    const form = { action: `/${session.key}${DETAIL}`, fields };
    expect(await post(form, { decision: 'approve' })).toMatchObject({ status: 404, body: '' });
    expect(decided).toEqual([]);
  });
});

describe('a failed call to the API server', () => {
  const failure = new KubernetesError('refused', 'list approvalrequests', {
    ...{ status: 403, reason: 'a body with a secret' },
  });

  it('is shown with its code and object, never with a body', async () => {
    const fail = () => Promise.reject(failure);
    const { get } = await start({ listPolicies: fail, listRevocations: fail });
    for (const path of ['/policies', '/revocations', '/runs']) {
      const { status, body } = await get(path);
      expect(status).toBe(502);
      expect(body).toContain('API server: list approvalrequests: refused (status 403).');
      expect(body).not.toContain('a body with a secret');
    }
  });

  it('hides no other part of the overview', async () => {
    const readAuthorityLog = () => Promise.reject(failure);
    const readConfigMap = () => Promise.reject(failure);
    const { get } = await start({ readAuthorityLog, readConfigMap });
    const { status, body } = await get('/');
    expect(status).toBe(200);
    expect(body).toContain('list approvalrequests: refused (status 403)');
    expect(body).toMatch(/<strong>1<\/strong>\s*requests wait for a decision/);
  });

  it('lists the requests of the own namespace if those of all may not be listed', async () => {
    const healthy = createHealthyCluster();
    const list = (namespace?: string) =>
      namespace === undefined ? Promise.reject(failure) : Promise.resolve([REQUEST]);
    const { get } = await start({ approvals: { ...healthy.approvals, list } });
    const { status, body } = await get('/approvals');
    expect(status).toBe(200);
    expect(body).toContain('You may not list the requests of every namespace.');
    expect(body).toContain(REQUEST_NAME);
  });

  it('is an internal error without text if it is anything else', async () => {
    const listPolicies = () => Promise.reject(new TypeError('secret detail'));
    const { get, errors } = await start({ listPolicies });
    const { status, body } = await get('/policies');
    expect([status, errors.length]).toEqual([500, 1]);
    expect(body).not.toContain('secret detail');
  });
});
