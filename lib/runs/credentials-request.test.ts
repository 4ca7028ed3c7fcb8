import { describe, expect, test } from '@jest/globals';

import type { Task } from '../contract/task.ts';
import {
  handleCredentialsRequest,
  type CredentialsResponse,
  type RequestOrigin,
} from './credentials-request.ts';
import { buildTask, createDeferredExchange } from './fixtures/fake-exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import { RESPONSE_TIMEOUT_MS } from './response-timeout.ts';
import type { RunRefusal } from './run-refusal.ts';
import { createRunRegistry } from './run-registry.ts';

const unauthorized: RunRefusal = {
  kind: 'refusal',
  nature: 'refused',
  code: 'unauthorized',
  message: 'no token',
};
const agentSocket: RequestOrigin = { kind: 'socket', consumer: 'agent' };
const loopback = (consumer?: string): RequestOrigin => ({
  kind: 'loopback',
  authenticate: () => (consumer === undefined ? unauthorized : { kind: 'consumer', consumer }),
});

const setUp = (tasks: readonly Task[] = [buildTask()]) => {
  const time = createFakeTime();
  const { exchange, calls } = createDeferredExchange(time.clock);
  const observer = { started: () => undefined, ended: () => undefined };
  const registry = createRunRegistry({ exchange, ...time, observer });
  const responses: CredentialsResponse[] = [];
  const bodies: string[] = [];
  const request = (origin: RequestOrigin, taskName?: string) =>
    handleCredentialsRequest(
      { origin, taskName, getTimeoutMs: () => RESPONSE_TIMEOUT_MS.java },
      { admitted: { consumers: ['agent', 'helper'], tasks }, registry, schedule: time.schedule },
      (response) => {
        responses.push(response);
        if (response.kind === 'credentials') bodies.push(response.body.toString());
      },
    );
  return { time, calls, registry, responses, bodies, request };
};

describe('handleCredentialsRequest', () => {
  test('refuses an unauthenticated request on the loopback listener without an exchange', () => {
    const { calls, request, responses } = setUp();
    expect(request(loopback())).toBeUndefined();
    expect(responses).toEqual([{ kind: 'unauthenticated', refusal: unauthorized }]);
    expect(calls).toEqual([]);
  });

  test('serves the consumer that the loopback token identifies', async () => {
    const { calls, request, responses, time } = setUp();
    const pending = request(loopback('agent'));
    await time.settle();
    expect(calls[0]?.request.consumer).toBe('agent');
    calls[0]?.issue();
    await pending;
    expect(responses).toMatchObject([{ kind: 'credentials' }]);
  });

  test.each([
    ['a task of another consumer', loopback('helper'), 'summarize', 'task_not_allowed'],
    ['a consumer without tasks', loopback('helper'), undefined, 'task_not_declared'],
    ['an undeclared task', agentSocket, 'nothing', 'task_unknown'],
  ])('refuses %s', (_, origin, taskName, code) => {
    const { request, responses, calls } = setUp();
    expect(request(origin, taskName)).toBeUndefined();
    expect(responses).toMatchObject([{ kind: 'refusal', code }]);
    expect(calls).toEqual([]);
  });

  test('selects the default task if the consumer has several tasks', async () => {
    const { calls, request, time } = setUp([
      buildTask({ name: 'first' }),
      buildTask({ name: 'second', default: true }),
    ]);
    void request(agentSocket);
    await time.settle();
    expect(calls.map(({ request: { task } }) => task.name)).toEqual(['second']);
  });

  test('responds in the turn of the check, so that a revocation cannot erase the response', async () => {
    const { bodies, calls, registry, request, time } = setUp();
    for (let n = 0; n < 10; n += 1) void request(agentSocket);
    await time.settle();
    calls[0]?.issue();
    while (bodies.length === 0) await Promise.resolve();
    registry.revokeAll(unauthorized);
    await time.settle();
    expect(bodies.every((body) => body.includes('"AccessKeyId":"ASIA1"'))).toBe(true);
  });
});
