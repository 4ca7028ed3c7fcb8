import { createServer, type ServerResponse } from 'node:http';
import { request } from 'node:https';
import { connect, type AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

import { issue } from '../../lib/edge/aws/fixtures/sts-stub.ts';
import {
  EVENTS_PATH,
  exchangeForm,
  PATHS,
  platformText,
  startStage,
  TOKEN_PATH,
  until,
  type Replica,
  type Stage,
} from './fixtures/stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage.close());

const startReady = async (config = stage.configure()): Promise<Replica> => {
  const replica = await stage.start(config);
  await replica.ready();
  return replica;
};

const exchange = async (replica: Replica) =>
  replica.post(TOKEN_PATH, exchangeForm(await stage.podToken()));

describe('an authority', () => {
  test('waits for an API server that is not there, and starts when it is', async () => {
    stage.api.fail(/./, 500);
    const starting = stage.start();
    await until(() => stage.lines.find(({ message }) => message === 'authority cannot start yet'));
    stage.api.recover();
    const replica = await starting;
    await replica.ready();
    expect((await exchange(replica)).status).toBe(200);
  });

  test('says what keeps it from being ready', async () => {
    stage.api.fail(/taskpolicies/, 403);
    const replica = await stage.start();
    const text = await until(async () => {
      const answer = await replica.telemetry('/readyz');
      return answer.text === 'not ready: policies\n' ? answer.text : undefined;
    });
    expect(text).toBeDefined();
    expect((await exchange(replica)).body['reason']).toBe('policy_unavailable');
    stage.api.recover();
    await replica.ready();
  });

  test('refuses what it cannot record, is not ready, and recovers by itself', async () => {
    const replica = await startReady();
    stage.breakOutput(new Error('no space left'));
    const calls = stage.sts.calls.length;
    const answer = await exchange(replica);
    expect([answer.body['reason'], answer.status]).toEqual(['audit_unavailable', 503]);
    expect(answer.headers['retry-after']).toBe('1');
    expect(stage.sts.calls).toHaveLength(calls);
    expect((await replica.telemetry('/readyz')).text).toContain('audit');
    expect(stage.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    stage.breakOutput(undefined);
    await until(async () => ((await exchange(replica)).status === 200 ? true : undefined));
    await replica.ready();
  });

  test('shows a cloud the keys that stand after a taint, long before its own next round', async () => {
    const replica = await stage.start(stage.configure(), { keysMs: 3_600_000 });
    await replica.ready();
    const kids = async () => {
      const { keys } = (await replica.ask('/jwks')).body as { keys: readonly { kid: string }[] };
      return keys.map(({ kid }) => kid);
    };
    const [tainted] = await kids();
    const secret = stage.api.get(PATHS.keysSecret);
    const annotations = { 'valetkey.dev/taint': 'leaked' };
    stage.api.put(PATHS.keysSecret, { ...secret, metadata: { ...secret?.metadata, annotations } });
    await until(async () => ((await kids()).includes(String(tainted)) ? undefined : true));
  });

  test('shares its keys with a second replica: what one issues, the other ends', async () => {
    const first = await startReady();
    const other = stage.configure({
      VALETKEY_POD_NAME: 'valetkey-authority-1',
      VALETKEY_AUDIT_FOLDER: `${stage.auditFolder}-1`,
    });
    const second = await startReady(other);
    const { body } = await exchange(first);
    const form = { token: String(body['run']), subject_token: await stage.podToken() };
    const answer = await second.post(
      '/v1/revoke',
      new URLSearchParams({ ...form, reason: 'completed' }).toString(),
    );
    expect(answer.status).toBe(200);
    expect((await second.ask('/jwks')).body).toEqual((await first.ask('/jwks')).body);
  });

  test('publishes the head of its records, and the key that seals them', async () => {
    await startReady();
    const data = await until(() => {
      const found = stage.api.get(PATHS.heads)?.['data'] as Record<string, string> | undefined;
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

describe('the end', () => {
  /** An STS that answers when it is told to. */
  const openSlowCloud = async () => {
    const waiting: (() => void)[] = [];
    const server = createServer((asked, answer: ServerResponse) => {
      let text = '';
      asked.on('data', (chunk: Buffer) => (text += chunk.toString()));
      asked.on('end', () => {
        const reply = issue(new URLSearchParams(text)) as { status: number; body: string };
        waiting.push(() => answer.writeHead(reply.status).end(reply.body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return { port, waiting, close: () => server.close() };
  };

  test('is told to streams, lets what is under way finish, and closes the records', async () => {
    const cloud = await openSlowCloud();
    const replica = await startReady(stage.configure({}, platformText(cloud.port)));
    const { https: port } = replica.authority.ports();
    const headers = { Authorization: `Bearer ${await stage.podToken()}` };
    const heard = new Promise<string>((resolve, reject) => {
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
    await until(() => (cloud.waiting.length > 0 ? true : undefined));
    const ended = replica.authority.drain();
    expect((await replica.telemetry('/readyz')).text).toContain('draining');
    expect(await heard).toContain('{"type":"goodbye"}');
    await until(async () => ((await isListening(port ?? 0)) ? undefined : true));
    cloud.waiting.forEach((answer) => answer());
    expect((await answering).status).toBe(200);
    await ended;
    cloud.close();
    const kinds = stage.records().map(({ unmapped }) => unmapped.kind);
    expect(kinds.at(-1)).toBe('chain.closed');
    expect(kinds).toContain('run.issued');
    const head = (stage.api.get(PATHS.heads)?.['data'] as Record<string, string>)[
      'valetkey-authority-0'
    ];
    const { hash } = JSON.parse(head ?? '{}') as { hash?: string };
    expect(JSON.stringify(stage.records().at(-1))).toContain(hash);
  });
});
