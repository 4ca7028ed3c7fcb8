import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from '@jest/globals';

import { createCertificateAuthority } from '../../lib/certificate/certificate-authority.ts';
import { ExchangeError, type Exchange } from '../../lib/contract/exchange.ts';
import type { ProposalRequest } from '../../lib/contract/proposals.ts';
import type { UpstreamRules } from '../../lib/contract/upstream.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { createApiChecker } from '../../test/kit/api-checks.ts';
import { SIDECAR_API } from './api-description.ts';
import { sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';
import { createTestSubscriber } from './fixtures/test-subscriber.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const checker = createApiChecker(SIDECAR_API);
const ORIGIN = 'https://api.example.com';
const shared = { provider: 'http', delivery: 'sign' } as const;
const chat = [{ actions: ['http:GET'], resources: [`${ORIGIN}/v1/*`] }];
const tools = [{ actions: ['mcp:tools/call'], resources: ['mcp://docs/tools/read'] }];
const tasks = [
  buildTask({ ...shared, name: 'chat', role: 'api', allow: chat }),
  buildTask({ ...shared, name: 'docs', role: 'docs', allow: tools }),
  buildTask({ ...shared, name: 'helped', role: 'api', allow: chat, containers: ['helper'] }),
  buildTask({ name: 'denied', allow: [{ actions: ['s3:GetObject'], resources: ['*'] }] }),
];

const buildUpstream = (name: string): UpstreamRules => ({
  ...{ name, url: ORIGIN, protocol: name === 'docs' ? 'mcp' : 'http', encodedSlash: 'refuse' },
  ...{ headers: { pass: [], set: {} }, query: { deny: [] }, maxBodyBytes: 4096 },
  ...{ allowHttp: false, privateAddresses: false },
  ...(name === 'docs' && { mcp: { serverRequests: false } }),
});

const exchange: Exchange = ({ task: { name, role, lifetimeSeconds } }) =>
  name === 'denied'
    ? Promise.reject(new ExchangeError('refused', 'policy_denied', 'no policy permits it'))
    : Promise.resolve({
        ...{ run: `run-${name}`, deadline: Date.now() + lifetimeSeconds * 1000, skewMs: 0 },
        secret: { kind: 'http', headers: {}, echoes: [], upstream: buildUpstream(role) },
      });

const GATEWAY = {
  ...{ region: 'eu-central-1', dialect: 'aws' },
  ...{ maxBodyBytes: 1_048_576, bufferBytes: 1_048_576 },
};
const { certificate: ROOT } = await createCertificateAuthority({
  now: Date.now(),
  lifetimeMs: 60_000,
});
const AUTHORITY = {
  VALETKEY_TRUST: 'authority',
  VALETKEY_AUTHORITY: JSON.stringify({ endpoint: 'https://authority.example', roots: ROOT }),
};

const start = async (
  propose: (proposal: ProposalRequest) => Promise<string> = () =>
    Promise.resolve('tp-00112233445566778899'),
  trust: 'authority' | 'cluster' = 'authority',
) => {
  const running = await startTestSidecar({
    tasks,
    environment: {
      VALETKEY_GATEWAY: JSON.stringify(GATEWAY),
      ...(trust === 'authority' && AUTHORITY),
    },
    createSource: () => ({
      exchange,
      ...(trust === 'authority' && { authority: createTestSubscriber({ propose }) }),
    }),
  });
  closers.push(async () => {
    await running.stop();
    running.remove();
  });
  const { folder, gatewayPort } = running;
  const readToken = (consumer: string) => readFileSync(join(folder, consumer, 'token'), 'utf8');
  const call = async (path: string, body?: object, consumer = 'agent') => {
    const response = await fetch(`http://127.0.0.1:${gatewayPort}${path}`, {
      headers: {
        authorization: `Bearer ${readToken(consumer)}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    });
    return { id: response.headers.get('x-valetkey-refusal') ?? '', text: await response.text() };
  };
  const ask = async (path: string, body?: object, consumer = 'agent') => {
    const { status, text } = await sendRequest({
      ...{ socketPath: join(folder, consumer, 'socket'), path },
      ...(body !== undefined && {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    return { status, body: JSON.parse(text) as Record<string, unknown> };
  };
  return {
    call,
    ask,
    propose: (body: object, consumer?: string) => ask('/v1/proposals', body, consumer),
  };
};

const outside = { actions: ['http:GET'], resources: [`${ORIGIN}/v2/models`] };

describe('a refused call', () => {
  it('reports to the client of an API what it may propose, and remembers it', async () => {
    const { call, ask } = await start();
    const { id, text } = await call('/t/chat/v2/models');
    const message = `http:GET on ${ORIGIN}/v2/models is outside task chat; to propose this right to people: POST /v1/proposals {"refusal":"${id}"}`;
    expect(JSON.parse(text)).toEqual({
      error: { code: 'path_outside', message: `valetkey: ${message} (path_outside)` },
    });
    const shown = await ask(`/v1/refusals/${id}`);
    expect(shown).toEqual({
      status: 200,
      body: { code: 'path_outside', message, proposal: { task: 'chat', allow: [outside] } },
    });
    const route = { method: 'get', path: '/v1/refusals/{id}' } as const;
    expect(checker.checkResponse(route, shown)).toEqual([]);
  });

  it('reports to a model what it may propose, in the result of its tool', async () => {
    const { call, ask } = await start();
    const message = {
      ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
      params: { name: 'delete', arguments: {} },
    };
    const { id, text } = await call('/t/docs', message);
    expect(JSON.parse(text)).toMatchObject({
      result: {
        isError: true,
        content: [{ text: expect.stringContaining(`POST /v1/proposals {"refusal":"${id}"}`) }],
      },
    });
    const allow = [{ actions: ['mcp:tools/call'], resources: ['mcp://docs/tools/delete'] }];
    expect((await ask(`/v1/refusals/${id}`)).body).toMatchObject({
      proposal: { task: 'docs', allow },
    });
  });

  it('has nothing to propose for another cause', async () => {
    const { call, ask, propose } = await start();
    const { id, text } = await call('/t/none/v1');
    expect(text).not.toContain('/v1/proposals');
    // It was refused before its task was known, and belongs to the consumer whose key it had.
    expect((await ask(`/v1/refusals/${id}`)).status).toBe(404);
    const { id: known } = await call('/t/chat/v1/%00');
    expect((await ask(`/v1/refusals/${known}`)).body).not.toHaveProperty('proposal');
    const { status, body } = await propose({ refusal: known });
    expect({ status, code: body['Code'] }).toEqual({ status: 409, code: 'nothing_to_propose' });
  });
});

describe('a run that no policy permits', () => {
  it('names the refusal, by which the run may be proposed', async () => {
    const proposed: ProposalRequest[] = [];
    const { ask, propose } = await start((proposal) => {
      proposed.push(proposal);
      return Promise.resolve('tp-00112233445566778899');
    });
    const { status, body } = await ask('/v1/tasks/denied/credentials');
    const [, id = ''] = /\{"refusal":"([\w-]+)"\}/.exec(String(body['Message'])) ?? [];
    expect({ status, code: body['Code'] }).toEqual({ status: 403, code: 'policy_denied' });
    expect((await propose({ refusal: id })).status).toBe(201);
    const allow = [{ actions: ['s3:GetObject'], resources: ['*'] }];
    expect(proposed).toEqual([{ consumer: 'agent', task: 'denied', allow }]);
  });
});

describe('POST /v1/proposals', () => {
  it('sends what the refusal says, and nothing that the agent makes up', async () => {
    const proposed: ProposalRequest[] = [];
    const { call, propose } = await start((proposal) => {
      proposed.push(proposal);
      return Promise.resolve('tp-00112233445566778899');
    });
    const { id } = await call('/t/chat/v2/models');
    const body = { refusal: id, reason: 'I list models' };
    expect(checker.checkBody('/v1/proposals', body)).toEqual([]);
    const answer = await propose(body);
    expect(answer).toEqual({ status: 201, body: { name: 'tp-00112233445566778899' } });
    const route = { method: 'post', path: '/v1/proposals' } as const;
    expect(checker.checkResponse(route, answer)).toEqual([]);
    const sent = { consumer: 'agent', task: 'chat', allow: [outside], reason: 'I list models' };
    expect(proposed).toEqual([sent]);
    const more = { refusal: id, allow: [{ actions: ['http:DELETE'], resources: ['*'] }] };
    expect((await propose(more)).status).toBe(400);
    expect(proposed).toHaveLength(1);
  });

  it.each([
    ['a made-up refusal', { refusal: '00000000-0000-4000-8000-000000000000' }, 404],
    ['no refusal', {}, 400],
    ['a path', { refusal: '../x' }, 400],
    ['a long reason', { refusal: 'x', reason: 'x'.repeat(257) }, 400],
  ])('refuses %s', async (_, body, status) => {
    const { propose } = await start(() => Promise.reject(new Error('nothing may be proposed')));
    expect((await propose(body)).status).toBe(status);
  });

  it("refuses another container's refusal, and does not show it", async () => {
    const { call, ask, propose } = await start(() =>
      Promise.reject(new Error('nothing may be proposed')),
    );
    const { id } = await call('/t/chat/v2/models');
    expect((await ask(`/v1/refusals/${id}`, undefined, 'helper')).status).toBe(404);
    const { status, body } = await propose({ refusal: id }, 'helper');
    expect({ status, code: body['Code'] }).toEqual({ status: 404, code: 'refusal_unknown' });
  });

  it('answers with the refusal of the authority', async () => {
    const limit = new ExchangeError('unavailable', 'too_many_proposals', '5 are open', {
      retryAfterMs: 60_000,
    });
    const { call, propose } = await start(() => Promise.reject(limit));
    const { id } = await call('/t/chat/v2/models');
    const { status, body } = await propose({ refusal: id });
    expect({ status, code: body['Code'] }).toEqual({ status: 429, code: 'too_many_proposals' });
  });

  it('changes nothing about what is allowed', async () => {
    const { call, propose } = await start();
    const { id } = await call('/t/chat/v2/models');
    expect((await propose({ refusal: id })).status).toBe(201);
    expect((await call('/t/chat/v2/models')).text).toContain('path_outside');
  });
});

describe('without an authority', () => {
  it('shows the proposal, names no route for it, and says why it takes none', async () => {
    const { call, ask, propose } = await start(undefined, 'cluster');
    const { id, text } = await call('/t/chat/v2/models');
    expect(text).not.toContain('/v1/proposals');
    expect((await ask(`/v1/refusals/${id}`)).body).toMatchObject({
      proposal: { task: 'chat', allow: [outside] },
    });
    const { status, body } = await propose({ refusal: id });
    expect({ status, code: body['Code'] }).toEqual({ status: 400, code: 'proposals_unsupported' });
    expect(body['Message']).toContain('trust: cluster');
  });
});
