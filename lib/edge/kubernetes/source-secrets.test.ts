import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { createApiClient } from './api-client.ts';
import { startFakeApiServer, type FakeApiServer } from './fixtures/fake-api-server.ts';
import { createSourceSecretReader, type ReadSourceSecret } from './source-secrets.ts';

const PATH = '/api/v1/namespaces/valetkey-upstreams/secrets/openai';
const TOKEN = 'sk-0123456789abcdef';
const ORIGIN = 'https://api.openai.com';

let server: FakeApiServer;
let read: ReadSourceSecret;
beforeEach(async () => {
  server = await startFakeApiServer();
  read = createSourceSecretReader(createApiClient(server), 'valetkey-upstreams');
});
afterEach(() => server.close());

const put = (text: string | undefined, origins = ORIGIN): void => {
  server.put(PATH, {
    metadata: {
      name: 'openai',
      namespace: 'valetkey-upstreams',
      creationTimestamp: '2026-01-01T00:00:00Z',
      managedFields: [{ time: '2026-02-01T00:00:00Z' }, {}, null],
      annotations: { 'valetkey.dev/origins': origins },
    },
    data: text === undefined ? {} : { token: Buffer.from(text).toString('base64') },
  });
};
const readToken = (origin = ORIGIN) =>
  read({ name: 'openai', key: 'token' }, { origin, form: 'token' });
const readPem = () => read({ name: 'openai', key: 'token' }, { origin: ORIGIN, form: 'pem' });

describe('createSourceSecretReader', () => {
  it('reads a key and when the Secret was last changed', async () => {
    put(TOKEN);
    expect(await readToken()).toEqual({ text: TOKEN, changedAtMs: Date.parse('2026-02-01') });
  });

  it('reads each time, so that a changed Secret acts at once', async () => {
    put(TOKEN);
    await readToken();
    put(`${TOKEN}-new`);
    expect((await readToken()).text).toBe(`${TOKEN}-new`);
    put(TOKEN, 'https://other.example');
    await expect(readToken()).rejects.toMatchObject({ code: 'secret_origin_mismatch' });
  });

  it.each([
    'https://other.example',
    'https://api.openai.com.evil.example',
    'http://api.openai.com',
    'https://api.openai.com:8443',
    'https://api.openai.com/',
    '*',
    '',
  ])('refuses a Secret whose annotation is %j', async (origins) => {
    put(TOKEN, origins);
    await expect(readToken()).rejects.toMatchObject({ code: 'secret_origin_mismatch' });
  });

  it('refuses a Secret without the annotation, and accepts one of several origins', async () => {
    server.put(PATH, { metadata: { name: 'openai' }, data: {} });
    await expect(readToken()).rejects.toMatchObject({ code: 'secret_origin_mismatch' });
    put(TOKEN, `https://other.example, ${ORIGIN}\nhttps://third.example`);
    expect((await readToken()).text).toBe(TOKEN);
  });

  it.each([
    ['a'.repeat(15), 'at least 16 bytes'],
    ['a'.repeat(16 * 1024 + 1), 'at most 16 KiB'],
    [`${TOKEN}\n`, 'without a line break at the end'],
    [`${TOKEN}\r\nx-admin: 1`, 'visible ASCII'],
  ])('refuses a text that cannot be presented, without showing it', async (text, expected) => {
    put(text);
    const error: unknown = await readToken().catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'secret_invalid' });
    expect(String(error)).toContain(expected);
    expect(String(error)).not.toContain(text.trim());
  });

  it('accepts lines only in a private key', async () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\n';
    put(pem);
    expect((await readPem()).text).toBe(pem);
    await expect(readToken()).rejects.toMatchObject({ code: 'secret_invalid' });
    put(TOKEN);
    await expect(readPem()).rejects.toMatchObject({ code: 'secret_invalid' });
  });

  it('reports a missing Secret, a missing key and a refusal of the API server', async () => {
    await expect(readToken()).rejects.toMatchObject({
      code: 'secret_unavailable',
      message: 'secret valetkey-upstreams/openai: expected it to exist',
    });
    put(undefined);
    await expect(readToken()).rejects.toMatchObject({ code: 'secret_unavailable' });
    server.fail(/secrets/, 403);
    await expect(readToken()).rejects.toMatchObject({ code: 'secret_unavailable' });
  });

  it('reads no member that objects inherit', async () => {
    put(TOKEN);
    const key = { name: 'openai', key: 'toString' };
    await expect(read(key, { origin: ORIGIN, form: 'token' })).rejects.toMatchObject({
      code: 'secret_unavailable',
    });
  });
});
