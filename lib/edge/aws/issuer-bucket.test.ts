import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, test } from '@jest/globals';

import { createDocumentPublisher } from './issuer-bucket.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const keys = { accessKeyId: 'ASIA1', secretAccessKey: 'secret-1', sessionToken: 'session-1' };
const documents = [
  { path: 'jwks', body: '{"keys":[]}' },
  { path: '.well-known/openid-configuration', body: '{}' },
];

type Put = { url: string; type: string; cache: string; token: string; body: string };

const startBucket = async (status = 200) => {
  const puts: Put[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const header = (name: string) => String(request.headers[name]);
      puts.push({
        url: `${request.method ?? ''} ${request.url?.split('?')[0] ?? ''}`,
        type: header('content-type'),
        cache: header('cache-control'),
        token: header('x-amz-security-token'),
        body: Buffer.concat(chunks).toString(),
      });
      response
        .writeHead(status)
        .end(status === 200 ? '' : '<Error><Code>NoSuchBucket</Code></Error>');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { puts, settings: { region: 'us-east-1', endpoint, allowHttp: true } };
};

describe('createDocumentPublisher', () => {
  test('writes the documents in order, with content type and cache control', async () => {
    const { puts, settings } = await startBucket();
    const terms = { bucket: 'issuer', prefix: 'prod', maxAgeSeconds: 300 };
    await createDocumentPublisher(settings, keys, terms)(documents);
    const shared = {
      type: 'application/json',
      cache: 'public, max-age=300',
      token: 'session-1',
    };
    expect(puts).toEqual([
      { url: 'PUT /issuer/prod/jwks', body: '{"keys":[]}', ...shared },
      { url: 'PUT /issuer/prod/.well-known/openid-configuration', body: '{}', ...shared },
    ]);
  });

  test('writes to the root of the bucket without a prefix', async () => {
    const { puts, settings } = await startBucket();
    await createDocumentPublisher(settings, keys, {
      bucket: 'issuer',
      prefix: '',
      maxAgeSeconds: 1,
    })(documents);
    expect(puts[0]?.url).toBe('PUT /issuer/jwks');
  });

  test('stops at the first document that cannot be written', async () => {
    const { puts, settings } = await startBucket(404);
    const publish = createDocumentPublisher(settings, keys, {
      bucket: 'b',
      prefix: '',
      maxAgeSeconds: 1,
    });
    await expect(publish(documents)).rejects.toMatchObject({ code: 'NoSuchBucket', status: 404 });
    expect(puts).toHaveLength(1);
  });
});
