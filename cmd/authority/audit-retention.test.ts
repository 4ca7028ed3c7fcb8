import { expect, it } from '@jest/globals';

import { startAuditLoop } from './audit-retention.ts';

it('waitForSpace does not verify a kept file again for each record', async () => {
  let attempts = 0;
  const failures: unknown[] = [];
  const loop = startAuditLoop({
    publisher: { publishHead: () => Promise.resolve(3_600_000) },
    prune: () => Promise.reject(new Error(`kept ${(attempts += 1)}`)),
    isOverLimit: () => true,
    onPruneFailure: (error) => failures.push(error),
    onFailure: () => undefined,
    random: () => 0.5,
  });
  for (let record = 0; record < 20; record += 1) await loop.waitForSpace();
  loop.stop();
  expect(attempts).toBeLessThanOrEqual(2);
  expect(failures).toHaveLength(attempts);
});
