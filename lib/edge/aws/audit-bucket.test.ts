import { createHash } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { startAuditBucket, type AuditBucket } from '../../../test/kit/audit-bucket.ts';
import { createAuditUploader, type AuditObject } from './audit-bucket.ts';

let bucket: AuditBucket;
beforeEach(async () => {
  bucket = await startAuditBucket();
});
afterEach(() => bucket.close());

const KEY = 'prod/valetkey-authority-0/valetkey-authority-0.x/audit-00000001.jsonl';
const buildObject = (text: string, sent = text): AuditObject => ({
  key: KEY,
  sha256: createHash('sha256').update(text).digest('hex'),
  bytes: Buffer.byteLength(text),
  open: async function* () {
    yield await Promise.resolve(Buffer.from(sent));
  },
});
const upload = (object: AuditObject) =>
  createAuditUploader(bucket.settings, bucket.keys, { bucket: 'audit' })(object);

describe('createAuditUploader', () => {
  it('uploads a file whose checksum is signed and that no existing object may be replaced by', async () => {
    expect(await upload(buildObject('one\n'))).toBe('uploaded');
    expect(bucket.readObject(KEY)).toBe('one\n');
  });

  it('finds an existing object with the same content, and sends nothing again', async () => {
    await upload(buildObject('one\n'));
    expect(await upload(buildObject('one\n'))).toBe('present');
    expect(bucket.listMethods()).toEqual(['HEAD', 'PUT', 'HEAD']);
  });

  it('reports an existing object with other content of the same size, and never replaces it', async () => {
    await upload(buildObject('one\n'));
    expect(await upload(buildObject('two\n'))).toBe('different');
    expect(bucket.readObject(KEY)).toBe('one\n');
  });

  it('compares again when another writer was faster', async () => {
    bucket.refuseNext('HEAD', 404);
    bucket.put(KEY, 'one\n');
    expect(await upload(buildObject('two\n'))).toBe('different');
    bucket.refuseNext('HEAD', 403);
    expect(await upload(buildObject('one\n'))).toBe('different');
    expect(bucket.readObject(KEY)).toBe('one\n');
  });

  it('stores nothing if the content is not what the checksum states', async () => {
    await expect(upload(buildObject('one\n', 'two\n'))).rejects.toMatchObject({
      code: 'XAmzContentSHA256Mismatch',
    });
    expect(bucket.readObject(KEY)).toBeUndefined();
  });

  it('refuses an http endpoint that is not allowed', () => {
    const settings = { ...bucket.settings, allowHttp: false };
    expect(() => createAuditUploader(settings, bucket.keys, { bucket: 'audit' })).toThrow('https');
  });
});
