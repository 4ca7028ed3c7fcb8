import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createSessions, type Session } from '../test/fakes/cloud/sts/sessions.ts';
import { waitFor } from '../test/kit/retry.ts';
import { startChild, type Child } from './child-process.ts';
import { checkConsumerKeys } from './key-search-line.ts';
import type { ResultLine } from './result-line.ts';

/** Without `/proc`, only the environment is searched. */
const HAS_MEMORY = existsSync('/proc/self/mem');
const PROGRAM = "console.log('ready'); setInterval(() => undefined, 60_000);";
const LOCAL_SECRET = 'the-secret-of-a-local-key';
const MODEL_KEY = { description: 'the key of the model API', text: 'demo-0123456789abcdef' };

let folder: string;
let volume: string;
let session: Session;
let close: () => void;
let child: Child | undefined;
beforeEach(async () => {
  folder = mkdtempSync('/tmp/vk-keys-');
  volume = join(folder, 'volume');
  mkdirSync(volume);
  session = createSessions().issue({ expiresAt: 0, userId: '', arn: '', policies: [] });
  const server = createServer((_, outgoing) => {
    outgoing.end(JSON.stringify({ SecretAccessKey: LOCAL_SECRET }));
  });
  close = () => server.close();
  await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
});
afterEach(async () => {
  await child?.stop();
  close();
  rmSync(folder, { recursive: true, force: true });
});

const check = async (env: Readonly<Record<string, string>>): Promise<ResultLine> => {
  const command = [process.execPath, '-e', PROGRAM];
  const consumer = startChild({
    ...{ name: 'consumer', command, env, cwd: folder },
    log: join(folder, 'log'),
  });
  child = consumer;
  await waitFor('the consumer', () => consumer.lines().length > 0, { intervalMs: 20 });
  const socket = join(folder, 'socket');
  return checkConsumerKeys({
    consumer,
    env,
    volume,
    socket,
    sessions: [session],
    keys: [MODEL_KEY],
  });
};

describe('checkConsumerKeys', () => {
  it('finds none in a consumer that holds its local key alone', async () => {
    expect(await check({ KEY: LOCAL_SECRET })).toMatchObject({ expected: 'none', met: true });
  });

  it('finds the key of an Upstream in the consumer', async () => {
    const { got, met } = await check({ KEY: LOCAL_SECRET, OTHER: MODEL_KEY.text });
    expect({ got, met }).toMatchObject({
      met: false,
      got: expect.stringContaining(MODEL_KEY.description),
    });
  });

  it('finds each part of a key of the cloud in the consumer', async () => {
    const { accessKeyId: A, secretAccessKey: B, sessionToken: C } = session;
    const { got, met } = await check({ KEY: LOCAL_SECRET, A, B, C });
    expect(met).toBe(false);
    expect(got).toMatch(/a secret access key; a session token; an access key/);
  });

  it('finds a key of the cloud in the volume', async () => {
    writeFileSync(join(volume, 'cache'), session.secretAccessKey);
    const { got, met } = await check({ KEY: LOCAL_SECRET });
    expect(met).toBe(false);
    expect(got).toContain(`a secret access key in ${join(volume, 'cache')}`);
  });

  it('does not trust a search of memory that misses the local key', async () => {
    const { got, met } = await check({});
    expect(met).toBe(!HAS_MEMORY);
    expect(got.includes('its own local key was not found either')).toBe(HAS_MEMORY);
  });
});
