import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { ExchangeError, type Exchange } from '../../lib/contract/exchange.ts';
import { API_DESCRIPTION_PATH } from '../../lib/contract/paths.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import type { ApiMethod } from '../../lib/schema/api-description.ts';
import {
  createApiChecker,
  lintApiDescription,
  listDescribedRoutes,
} from '../../test/kit/api-checks.ts';
import { SIDECAR_API } from './api-description.ts';
import { sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';
import { CONSUMER_ROUTES } from './routes.ts';

const checker = createApiChecker(SIDECAR_API);

describe("the description of the sidecar's routes for consumers", () => {
  it('is a valid description of OpenAPI 3.1', async () => {
    expect(await lintApiDescription(SIDECAR_API)).toEqual([]);
  });

  it('describes every route of the program, and no other', () => {
    const routes = CONSUMER_ROUTES.map(({ method, path }) => `${method} ${path}`);
    expect(routes.toSorted()).toEqual(listDescribedRoutes(SIDECAR_API));
  });
});

const RUNS = '/v1/tasks/{task}/runs';
const issueRun: Exchange = ({ task }) => {
  const deadline = Date.now() + task.lifetimeSeconds * 1000;
  if (task.name === 'asked') {
    throw new ExchangeError('refused', 'approval_pending', 'owners must approve');
  }
  return Promise.resolve({
    ...{ run: 'run-1', deadline, skewMs: 0, packedPolicyPercent: 5 },
    credentials: { accessKeyId: 'ASIA1', secretAccessKey: 'secret', sessionToken: 'token' },
  });
};

describe('what the sidecar reads and answers', () => {
  let running: Awaited<ReturnType<typeof startTestSidecar>>;
  beforeEach(async () => {
    const params = { customer: { pattern: '[a-z]+', maxLength: 40 } };
    const tasks = [
      buildTask({ name: 'summarize', containers: ['agent'], default: true, purpose: 'reports' }),
      buildTask({ name: 'customer', containers: ['agent'], params }),
      buildTask({ name: 'asked', containers: ['agent'] }),
    ];
    running = await startTestSidecar({ tasks, exchange: issueRun });
  });
  afterEach(async () => {
    await running.stop();
    running.remove();
  });

  /** Sends a request, and expects its body and its answer to be as described. */
  const send = async (
    method: ApiMethod,
    { path, names = {}, body }: { path: string; names?: Record<string, string>; body?: object },
  ) => {
    if (body !== undefined) expect(checker.checkBody(path, body)).toEqual([]);
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => names[name] ?? '');
    const { status, text } = await sendRequest({
      socketPath: join(running.folder, 'agent', 'socket'),
      ...{ method: method.toUpperCase(), path: filled },
      ...(body !== undefined && {
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    const parsed: unknown = text === '' ? undefined : JSON.parse(text);
    if (parsed !== undefined) {
      const response = { status, body: parsed };
      expect(checker.checkResponse({ method, path }, response)).toEqual([]);
    }
    return { status, body: parsed as Record<string, unknown> };
  };

  it('is as described from the start of a run to its end', async () => {
    expect((await send('get', { path: '/v1/tasks' })).status).toBe(200);
    expect((await send('get', { path: '/v1/credentials' })).status).toBe(200);
    const names = { task: 'summarize' };
    const path = '/v1/tasks/{task}/credentials';
    expect((await send('get', { path, names })).status).toBe(200);
    const body = { params: { customer: 'acme' }, purpose: 'weekly' };
    const started = await send('post', { path: RUNS, names: { task: 'customer' }, body });
    expect(started.status).toBe(201);
    const run = { run: String(started.body['run']) };
    const read = { path: '/v1/runs/{run}/credentials', names: run };
    expect((await send('get', read)).status).toBe(200);
    expect((await send('delete', { path: '/v1/runs/{run}', names: run })).status).toBe(204);
    expect((await send('get', read)).status).toBe(404);
  });

  it('is as described for refusals and for people who are asked', async () => {
    const asked = { path: RUNS, names: { task: 'asked' }, body: {} };
    expect(await send('post', asked)).toMatchObject({
      ...{ status: 202, body: { Code: 'approval_pending' } },
    });
    const wrong = { path: RUNS, names: { task: 'customer' }, body: {} };
    expect((await send('post', wrong)).status).toBe(400);
    expect(checker.checkBody(RUNS, { param: {} })).not.toEqual([]);
  });

  it('has the description', async () => {
    const { status, body } = await send('get', { path: API_DESCRIPTION_PATH });
    expect([status, body]).toEqual([200, JSON.parse(JSON.stringify(SIDECAR_API))]);
  });
});
