import { createDecipheriv, createCipheriv, pbkdf2Sync } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { tryAccessKeyCreation } from './access-key-check.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const keys = { accessKeyId: 'ASIA1', secretAccessKey: 'secret-1', sessionToken: 'session-1' };

type Request = { readonly call: string; readonly body: Buffer };
type Answer = readonly [status: number, body: string];

const readAll = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/** A cloud that answers IAM, and the creation and deletion of MinIO's admin API. */
const startCloud = async (answers: { iam?: Answer; create: Answer; remove?: Answer }) => {
  const requests: Request[] = [];
  const server = createServer((request, response) => {
    void readAll(request).then((body) => {
      const url = new URL(request.url ?? '', 'http://cloud');
      requests.push({ call: `${request.method ?? ''} ${url.pathname}${url.search}`, body });
      const isAdmin = url.pathname.startsWith('/minio/admin/v3/');
      const admin = request.method === 'PUT' ? answers.create : (answers.remove ?? [204, '']);
      const [status, text] = isAdmin ? admin : (answers.iam ?? [405, '']);
      response.writeHead(status).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = { region: 'us-east-1', endpoint, allowHttp: true, dialect: 's3' } as const;
  return { requests, settings };
};

/** Decrypts a body as MinIO does: one fragment, its tag at the end. */
const decrypt = (body: Buffer): unknown => {
  const [salt, algorithm, nonce, sealed] = [
    ...[body.subarray(0, 32), body[32], body.subarray(33, 41), body.subarray(41)],
  ] as [Buffer, number, Buffer, Buffer];
  expect(algorithm).toBe(2);
  const key = pbkdf2Sync('secret-1', salt, 8192, 32, 'sha256');
  const empty = createCipheriv('aes-256-gcm', key, Buffer.concat([nonce, Buffer.alloc(4)]));
  empty.final();
  const last = Buffer.concat([nonce, Buffer.of(1, 0, 0, 0)]);
  const decipher = createDecipheriv('aes-256-gcm', key, last);
  decipher.setAAD(Buffer.concat([Buffer.of(0x80), empty.getAuthTag()]));
  decipher.setAuthTag(sealed.subarray(-16));
  const text = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  return JSON.parse(text.toString());
};

const DENIED: Answer = [403, '{"Code":"AccessDenied"}'];
const s3Error = (code: string): string => `<Error><Code>${code}</Code></Error>`;

describe('tryAccessKeyCreation', () => {
  it('reports denied if the cloud refuses both APIs', async () => {
    const { settings } = await startCloud({
      iam: [403, s3Error('AccessDenied')],
      create: DENIED,
    });
    expect(await tryAccessKeyCreation(settings, keys)).toEqual([
      { api: 'iam', outcome: 'denied', answer: '403 AccessDenied' },
      { api: 'minio', outcome: 'denied', answer: '403 http_403' },
    ]);
  });

  it('reports a key that MinIO creates past the session policy, and deletes it again', async () => {
    const { settings, requests } = await startCloud({ create: [200, ''] });
    const [, minio] = await tryAccessKeyCreation(settings, keys);
    expect(minio).toEqual({ api: 'minio', outcome: 'created', answer: '200' });
    const calls = requests.filter(({ call }) => call.includes('/minio/'));
    const [create, remove] = calls;
    const { accessKey, policy } = decrypt(create?.body ?? Buffer.alloc(0)) as {
      readonly accessKey: string;
      readonly policy: { readonly Statement: readonly { readonly Effect: string }[] };
    };
    expect(policy.Statement.map(({ Effect }) => Effect)).toEqual(['Deny']);
    expect(remove?.call).toMatch(/^DELETE \/minio\/admin\/v3\/delete-service-account\?/);
    expect(remove?.call).toContain(`accessKey=${accessKey}`);
  });

  it('names a created key that could not be deleted', async () => {
    const { settings } = await startCloud({ create: [200, ''], remove: [500, ''] });
    const [, minio] = await tryAccessKeyCreation(settings, keys);
    expect(minio).toMatchObject({
      outcome: 'created',
      remainingKey: expect.stringMatching(/^check/),
    });
  });

  it('reports a key that IAM creates, and deletes it again', async () => {
    const created =
      '<CreateAccessKeyResponse><CreateAccessKeyResult><AccessKey><AccessKeyId>AKIA7</AccessKeyId></AccessKey></CreateAccessKeyResult></CreateAccessKeyResponse>';
    const { settings, requests } = await startCloud({ iam: [200, created], create: DENIED });
    const [iam] = await tryAccessKeyCreation(settings, keys);
    expect(iam).toEqual({ api: 'iam', outcome: 'created', answer: '200' });
    expect(requests.map(({ body }) => body.toString()).join('\n')).toMatch(
      /Action=DeleteAccessKey.*AKIA7/,
    );
  });

  it.each<[string, Answer]>([
    ['without this bucket', [404, s3Error('NoSuchBucket')]],
    ['without this method', [405, s3Error('MethodNotAllowed')]],
  ])('reports absent for a cloud %s', async (_what, create) => {
    const { settings } = await startCloud({ iam: [405, s3Error('MethodNotAllowed')], create });
    const attempts = await tryAccessKeyCreation(settings, keys);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['absent', 'absent']);
  });

  it('reports unclear for any other response, because it shows nothing', async () => {
    const { settings } = await startCloud({
      iam: [404, s3Error('NoSuchEntity')],
      create: [400, '{"Code":"XMinioAdminConfigBadJSON"}'],
    });
    const attempts = await tryAccessKeyCreation(settings, keys);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['unclear', 'unclear']);
  });

  it('asks only IAM in dialect aws', async () => {
    const { settings, requests } = await startCloud({ iam: DENIED, create: [200, ''] });
    const attempts = await tryAccessKeyCreation({ ...settings, dialect: 'aws' }, keys);
    expect(attempts.map(({ api }) => api)).toEqual(['iam']);
    expect(requests.filter(({ call }) => call.includes('/minio/'))).toEqual([]);
  });
});
