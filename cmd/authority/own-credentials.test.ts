import { expect, test } from '@jest/globals';

import { createOwnCredentialSource } from './cloud-access.ts';

test('createOwnCredentialSource caches credentials until a minute before they expire', async () => {
  const role = { name: 'revoker', role: 'arn:aws:iam::111122223333:role/revoker' } as const;
  const time = { now: 0 };
  const requested: unknown[] = [];
  const ownKeys = createOwnCredentialSource({
    role,
    clock: { now: () => time.now },
    issueCredentials: (given) => {
      requested.push(given);
      const keys = {
        accessKeyId: `AK${requested.length}`,
        secretAccessKey: 's',
        sessionToken: 't',
      };
      return Promise.resolve({ keys, expiresAt: time.now + 900_000 });
    },
  });
  const { signal } = new AbortController();
  expect((await ownKeys(signal)).accessKeyId).toBe('AK1');
  time.now = 839_999;
  expect((await ownKeys(signal)).accessKeyId).toBe('AK1');
  time.now = 840_000;
  expect((await ownKeys(signal)).accessKeyId).toBe('AK2');
  expect(requested).toEqual([role, role]);
});
