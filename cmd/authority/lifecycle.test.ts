import { createServer, type ServerResponse } from 'node:http';
import { request } from 'node:https';
import { connect, type AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { buildIssuedReply } from '../../lib/edge/aws/fixtures/sts-stub.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  EVENTS_PATH,
  buildExchangeForm,
  PATHS,
  buildPlatformText,
  startAuthorityHarness,
  TOKEN_PATH,
  type Replica,
  type AuthorityHarness,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const startReady = async (config = harness.configure()): Promise<Replica> => {
  const replica = await harness.start(config);
  await replica.waitUntilReady();
  return replica;
};

const exchange = async (replica: Replica) =>
  replica.post(TOKEN_PATH, buildExchangeForm(await harness.podToken()));

describe('startAuthority', () => {
  it('starts when the API server becomes available', async () => {
    harness.api.fail(/./, 500);
    const starting = harness.start();
    await waitUntil(() =>
      harness.lines.find(({ message }) => message === 'authority cannot start yet'),
    );
    harness.api.recover();
    const replica = await starting;
    await replica.waitUntilReady();
    expect((await exchange(replica)).status).toBe(200);
  });

  it('reports which conditions of readiness are not met', async () => {
    harness.api.fail(/taskpolicies/, 403);
    const replica = await harness.start();
    const text = await waitUntil(async () => {
      const answer = await replica.telemetry('/readyz');
      return answer.text === 'not ready: policies\n' ? answer.text : undefined;
    });
    expect(text).toBeDefined();
    expect((await exchange(replica)).body['reason']).toBe('policy_unavailable');
    harness.api.recover();
    await replica.waitUntilReady();
  });

  it('refuses runs and is not ready while audit writes fail, and recovers', async () => {
    const replica = await startReady();
    harness.breakOutput(new Error('no space left'));
    const calls = harness.sts.calls.length;
    const answer = await exchange(replica);
    expect([answer.body['reason'], answer.status]).toEqual(['audit_unavailable', 503]);
    expect(answer.headers['retry-after']).toBe('1');
    expect(harness.sts.calls).toHaveLength(calls);
    expect((await replica.telemetry('/readyz')).text).toContain('audit');
    expect(harness.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    harness.breakOutput(undefined);
    await waitUntil(async () => ((await exchange(replica)).status === 200 ? true : undefined));
    await replica.waitUntilReady();
  });

  it('issues nothing and is not ready until the head of its audit chain is published', async () => {
    harness.api.fail(/PATCH .*valetkey-audit-heads/, 403);
    const replica = await harness.start();
    await waitUntil(async () => {
      const { text } = await replica.telemetry('/readyz');
      return text === 'not ready: audit\n' ? true : undefined;
    });
    const answer = await exchange(replica);
    expect([answer.body['reason'], answer.status]).toEqual(['audit_unavailable', 503]);
    expect(harness.sts.calls).toEqual([]);
    expect(harness.records().map(({ unmapped }) => unmapped.kind)).not.toContain('run.intent');
    expect((await replica.telemetry('/metrics')).text).toMatch(
      /^valetkey_authority_audit_write_errors_total\{code="head_unpublished"\} [1-9]/m,
    );
    harness.api.recover();
    await replica.waitUntilReady();
    expect((await exchange(replica)).status).toBe(200);
  });

  it('publishes the current keys immediately after a taint, before its next round', async () => {
    const replica = await harness.start(harness.configure(), { keysMs: 3_600_000 });
    await replica.waitUntilReady();
    const kids = async () => {
      const { keys } = (await replica.ask('/jwks')).body as { keys: readonly { kid: string }[] };
      return keys.map(({ kid }) => kid);
    };
    const [tainted] = await kids();
    const secret = harness.api.get(PATHS.keysSecret);
    const annotations = { 'valetkey.dev/taint': 'leaked' };
    harness.api.put(PATHS.keysSecret, {
      ...secret,
      metadata: { ...secret?.metadata, annotations },
    });
    await waitUntil(async () => ((await kids()).includes(String(tainted)) ? undefined : true));
  });

  it('shares its keys with a second replica, which can end its runs', async () => {
    const first = await startReady();
    const other = harness.configure({
      VALETKEY_POD_NAME: 'valetkey-authority-1',
      VALETKEY_AUDIT_FOLDER: `${harness.auditFolder}-1`,
    });
    const second = await startReady(other);
    const { body } = await exchange(first);
    const form = { token: String(body['run']), subject_token: await harness.podToken() };
    const answer = await second.post(
      '/v1/revoke',
      new URLSearchParams({ ...form, reason: 'completed' }).toString(),
    );
    expect(answer.status).toBe(200);
    expect((await second.ask('/jwks')).body).toEqual((await first.ask('/jwks')).body);
  });

  it('publishes the head of its audit chain, and the public key that verifies it', async () => {
    await startReady();
    const data = await waitUntil(() => {
      const found = harness.api.get(PATHS.heads)?.['data'] as Record<string, string> | undefined;
      return found?.['valetkey-authority-0'] === undefined ? undefined : found;
    });
    expect(data['public-keys.pem']).toContain('BEGIN PUBLIC KEY');
    expect(JSON.parse(data['valetkey-authority-0'] ?? '')).toMatchObject({
      chain: expect.stringContaining('valetkey-authority-0') as unknown,
    });
  });
});

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

describe('the shutdown', () => {
  /** An STS that responds when the test releases it. */
  const createSlowCloud = async () => {
    const waiting: (() => void)[] = [];
    const server = createServer((asked, answer: ServerResponse) => {
      let text = '';
      asked.on('data', (chunk: Buffer) => (text += chunk.toString()));
      asked.on('end', () => {
        const reply = buildIssuedReply(new URLSearchParams(text)) as {
          status: number;
          body: string;
        };
        waiting.push(() => answer.writeHead(reply.status).end(reply.body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return { port, waiting, close: () => server.close() };
  };

  it('asks streams to reconnect, completes requests in progress, and closes the audit chain', async () => {
    const cloud = await createSlowCloud();
    const replica = await startReady(harness.configure({}, buildPlatformText(cloud.port)));
    const { https: port } = replica.authority.ports();
    const headers = { Authorization: `Bearer ${await harness.podToken()}` };
    const received = new Promise<string>((resolve, reject) => {
      const call = { host: '127.0.0.1', port, path: EVENTS_PATH, headers };
      request({ ...call, agent: replica.agent() }, (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.on('end', () => resolve(text));
      })
        .on('error', reject)
        .end();
    });
    const answering = exchange(replica);
    await waitUntil(() => (cloud.waiting.length > 0 ? true : undefined));
    const ended = replica.authority.drain();
    expect((await replica.telemetry('/readyz')).text).toContain('draining');
    expect(await received).toContain('{"type":"reconnect"}');
    await waitUntil(async () => ((await isListening(port ?? 0)) ? undefined : true));
    cloud.waiting.forEach((answer) => answer());
    expect((await answering).status).toBe(200);
    await ended;
    cloud.close();
    const kinds = harness.records().map(({ unmapped }) => unmapped.kind);
    expect(kinds.at(-1)).toBe('chain.closed');
    expect(kinds).toContain('run.issued');
    const head = (harness.api.get(PATHS.heads)?.['data'] as Record<string, string>)[
      'valetkey-authority-0'
    ];
    const { hash } = JSON.parse(head ?? '{}') as { hash?: string };
    expect(JSON.stringify(harness.records().at(-1))).toContain(hash);
  });
});
