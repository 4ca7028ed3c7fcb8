import { expect, it } from '@jest/globals';

import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import { startCountedRecords } from './counted-records.ts';

it('recordCounted leaves later refusals with the budget while earlier ones cannot be recorded', async () => {
  const recorded: AuditEvent[] = [];
  let isFull = true;
  let taken = 0;
  const counted = startCountedRecords({
    takeCounted: () => [{ kind: 'run.refused', at: 0, message: `taken ${(taken += 1)}` }],
    record: (event) =>
      isFull ? Promise.reject(new Error('full')) : Promise.resolve(void recorded.push(event)),
    onFailure: () => undefined,
    random: () => 0.5,
  });
  counted.stop();
  await new Promise(setImmediate);
  for (let attempt = 0; attempt < 5; attempt += 1)
    await expect(counted.recordCounted()).rejects.toThrow('full');
  expect(taken).toBe(1);
  isFull = false;
  await counted.recordCounted();
  expect(recorded.map(({ message }) => message)).toEqual(['taken 1', 'taken 2']);
});
