import { randomUUID } from 'node:crypto';
import { request } from 'node:https';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  CALLS_PATH,
  DECISIONS_PATH,
  EVENTS_PATH,
  RECORDS_PATH,
  REVOKE_PATH,
  TOKEN_PATH,
  type CallHead,
  type GatedCall,
} from '../../lib/contract/authority-api.ts';
import { API_DESCRIPTION_PATH } from '../../lib/contract/paths.ts';
import {
  createApiChecker,
  lintApiDescription,
  listDescribedRoutes,
} from '../../test/kit/api-checks.ts';
import { AUTHORITY_API } from './api-description.ts';
import {
  buildExchangeForm,
  buildLivePod,
  buildTask,
  HOST,
  PATHS,
  PERMIT_ALL,
  putPolicy,
  startAuthorityHarness,
  type AuthorityHarness,
  type Replica,
} from './fixtures/authority-harness.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { createAuthorityApp, type AuthorityRouteDeps } from './routes.ts';

jest.setTimeout(60_000);

const checker = createApiChecker(AUTHORITY_API);

describe('the description of the routes of the authority', () => {
  it('is a valid description of OpenAPI 3.1', async () => {
    expect(await lintApiDescription(AUTHORITY_API)).toEqual([]);
  });

  it('describes every route of the program, and no other', () => {
    const deps = { authority: { issuer: `https://${HOST}` } } as unknown as AuthorityRouteDeps;
    const { router } = createAuthorityApp(deps) as unknown as {
      router: { stack: { route?: { path: string; methods: Record<string, boolean> } }[] };
    };
    // A route of all methods refuses what the others do not take.
    const routes = router.stack.flatMap(({ route }) => {
      const methods = Object.keys(route?.methods ?? {});
      return methods.length === 1 ? [`${methods.join().toUpperCase()} ${route?.path ?? ''}`] : [];
    });
    expect([...new Set(routes)].sort()).toEqual(listDescribedRoutes(AUTHORITY_API));
  });
});

describe('what the authority reads and answers', () => {
  let harness: AuthorityHarness;
  let replica: Replica;
  beforeEach(async () => {
    harness = await startAuthorityHarness();
    const gated = `${PERMIT_ALL} @id("big") forbid (principal, action == Action::"call", resource)
      when { context has bytes && context.bytes > 100 };`;
    putPolicy(harness.api, gated);
    const tasks = [buildTask({ name: 'summarize', delivery: 'sign' })];
    harness.api.put(PATHS.pod, buildLivePod({ consumers: ['agent', 'helper'], tasks }));
    replica = await harness.start();
    await replica.waitUntilReady();
  });
  afterEach(() => harness.close());

  /** Sends a form, and expects both it and its answer to be as described. */
  const post = async (path: string, form: string) => {
    expect(checker.checkForm(path, form)).toEqual([]);
    const { status, body } = await replica.post(path, form);
    expect(checker.checkResponse({ method: 'post', path }, { status, body })).toEqual([]);
    return { status, body };
  };
  const postFields = async (path: string, fields: Record<string, string>) => {
    const all = { subject_token: await harness.podToken(), ...fields };
    return post(path, new URLSearchParams(all).toString());
  };
  const startRun = async () => {
    const form = buildExchangeForm(await harness.podToken());
    const { body } = await post(TOKEN_PATH, `${form}&capabilities=gates&attempt=${randomUUID()}`);
    return { run: String(body['run']), ticket: String(body['ticket']) };
  };

  it('is as described from the start of a run to its end', async () => {
    const { run, ticket } = await startRun();
    expect((await postFields(DECISIONS_PATH, { ticket })).status).toBe(200);
    const call: GatedCall = {
      operation: 's3:GetObject',
      permissions: [{ action: 's3:GetObject', resource: 'arn:aws:s3:::acme-data/reports/a' }],
      bytes: 5,
    };
    const ask = (bytes: number) =>
      postFields(CALLS_PATH, { ticket, call: JSON.stringify({ ...call, bytes }), attempt: 'a' });
    expect((await ask(5)).status).toBe(200);
    expect((await ask(500)).body).toMatchObject({ reason: 'call_denied' });
    const head: CallHead = {
      ...{ from: 0, to: 0, hash: 'ab'.repeat(32), startedAt: 1, endedAt: 2 },
      ...{ counts: { allowed: 1, refused: 0, failed: 0, cut: 0 }, bytesIn: 1, bytesOut: 2 },
      ...{ refusals: [], used: [{ action: 's3:GetObject' }], omitted: { refusals: 0, used: 0 } },
    };
    const recorded = await postFields(RECORDS_PATH, { run, calls: JSON.stringify(head) });
    expect(recorded).toEqual({ status: 200, body: {} });
    const ended = await postFields(REVOKE_PATH, { token: run, reason: 'completed' });
    expect(ended).toEqual({ status: 200, body: {} });
  });

  it('is as described for refusals and for people who are asked', async () => {
    const path = TOKEN_PATH;
    const { status, body } = await replica.post(path, 'grant_type=password');
    expect(checker.checkResponse({ method: 'post', path }, { status, body })).toEqual([]);
    expect(checker.checkForm(path, 'grant_type=password')).not.toEqual([]);
    const asking = `${PERMIT_ALL} @approval("owners/2") forbid (principal, action == Action::"run", resource)
      unless { context.approvals.contains("owners") };`;
    putPolicy(harness.api, asking);
    const asked = await waitUntil(async () => {
      const answer = await post(path, buildExchangeForm(await harness.podToken()));
      return answer.body['reason'] === 'approval_pending' ? answer : undefined;
    });
    expect(asked.body).toMatchObject({ approval: { interval: 5 } });
  });

  it('is as described in its documents, of which one is the description', async () => {
    for (const [path, { get }] of Object.entries(AUTHORITY_API.paths)) {
      if (get === undefined || path === EVENTS_PATH) continue;
      const { status, body } = await replica.ask(path);
      expect(status).toBe(200);
      if (path === API_DESCRIPTION_PATH) {
        expect(body).toEqual(JSON.parse(JSON.stringify(AUTHORITY_API)));
      } else if (!path.startsWith('/.well-known/')) {
        expect(checker.checkResponse({ method: 'get', path }, { status, body })).toEqual([]);
      }
    }
  });

  it('is as described in the lines of its event stream', async () => {
    const headers = { Authorization: `Bearer ${await harness.podToken()}` };
    const { https: port } = replica.authority.ports();
    const options = { host: '127.0.0.1', port, path: EVENTS_PATH, headers };
    const first = await new Promise<string>((resolve, reject) => {
      const sent = request({ ...options, agent: replica.agent() }, (answer) => {
        answer.once('data', (chunk: Buffer) => {
          resolve(chunk.toString());
          sent.destroy();
        });
      });
      sent.on('error', reject).end();
    });
    const lines = first.trim().split('\n');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      const response = { status: 200, body: JSON.parse(line) as unknown };
      const route = { method: 'get', path: EVENTS_PATH } as const;
      expect(checker.checkResponse(route, response, 'application/x-ndjson')).toEqual([]);
    }
  });
});
