import { expect, test } from '@jest/globals';

import { createOwnCredentialSource } from './own-credentials.ts';

test("keys of the authority's own role are held until a minute before their end", async () => {
  const right = { name: 'revoker', role: 'arn:aws:iam::111122223333:role/revoker' } as const;
  const time = { now: 0 };
  const asked: unknown[] = [];
  const ownKeys = createOwnCredentialSource({
    right,
    clock: { now: () => time.now },
    issueCredentials: (given) => {
      asked.push(given);
      const keys = { accessKeyId: `AK${asked.length}`, secretAccessKey: 's', sessionToken: 't' };
      return Promise.resolve({ keys, expiresAt: time.now + 900_000 });
    },
  });
  const { signal } = new AbortController();
  expect((await ownKeys(signal)).accessKeyId).toBe('AK1');
  time.now = 839_999;
  expect((await ownKeys(signal)).accessKeyId).toBe('AK1');
  time.now = 840_000;
  expect((await ownKeys(signal)).accessKeyId).toBe('AK2');
  expect(asked).toEqual([right, right]);
});
