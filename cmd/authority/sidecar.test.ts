import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

import type { Task } from '../../lib/contract/task.ts';
import { authorityExchange } from '../../lib/edge/authority/authority-exchange.ts';
import { openConnection } from '../../lib/edge/authority/connection.ts';
import { openRunEnds } from '../../lib/edge/authority/run-ends.ts';
import { PATHS, platformText, putPolicy, startStage, until, type Stage } from './fixtures/stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage.close());

const ROLE = 'arn:aws:iam::111122223333:role/agent-reports';
const task = { name: 'summarize', params: {}, role: ROLE } as Task;

/** The sidecar's own client, against the authority as it is. */
const connectSidecar = async (platform: string) => {
  const local = platform.replaceAll(/https:\/\/valetkey-authority[^\n]*/g, 'https://localhost');
  const replica = await stage.start(stage.configure({}, local));
  await replica.ready();
  const { 'roots.pem': roots = '' } = stage.api.get(PATHS.roots)?.['data'] as Record<
    string,
    string
  >;
  const endpoint = `https://localhost:${replica.authority.ports().https}`;
  const connection = openConnection({ endpoint, roots });
  const token = await stage.podToken();
  const readToken = (): string => token;
  const exchange = authorityExchange({
    connection,
    readToken,
    clock: { now: Date.now, monotonic: () => performance.now() },
    random: () => 0,
    pause: () => Promise.resolve(),
    reportSkew: () => undefined,
    heard: () => undefined,
  });
  return { exchange, end: openRunEnds(connection, readToken) };
};

const wish = { consumer: 'agent', task, params: {} };
const signal = new AbortController().signal;

describe('a sidecar', () => {
  test('trades, is refused with the reason of the authority, and ends its runs', async () => {
    const { exchange, end } = await connectSidecar(platformText(stage.sts.port));
    const issued = await exchange(wish, signal);
    expect(issued.keys.accessKeyId).toBe('ASIA1');
    expect(issued.deadline).toBeGreaterThan(Date.now() + 590_000);
    await end({ run: issued.run, end: 'completed' });
    expect(stage.records().at(-1)).toMatchObject({ unmapped: { kind: 'run.ended' } });

    putPolicy(stage.api, '@id("stop") forbid (principal, action, resource);');
    const refused = await until(async () =>
      exchange(wish, signal).then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
    expect(refused).toMatchObject({ kind: 'refused', code: 'policy_denied' });
  });

  test('that ends a run of a role that opts in makes everybody know', async () => {
    const denial = `  denial: {revokerRole: "${ROLE}-revoker", roles: ["${ROLE}"], iamEndpoint: "http://127.0.0.1:${stage.sts.port}"}`;
    const { exchange, end } = await connectSidecar(platformText(stage.sts.port, denial));
    const { run } = await exchange(wish, signal);
    await end({ run, end: 'completed' });
    const path = stage.api.requests.find((one) => one.startsWith(`POST ${PATHS.revocations}`));
    expect(path).toBeDefined();
    const created = await until(() => {
      const found = stage.api.get(`${PATHS.revocations}/${stage.api.lastCreated()}`);
      return found ?? undefined;
    });
    expect(created['spec']).toMatchObject({ run, reason: 'completed' });
  });
});
