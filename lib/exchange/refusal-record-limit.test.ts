import { describe, expect, it } from '@jest/globals';

import type { AuditEvent } from '../audit/audit-event.ts';
import { limitRefusalRecords } from './refusal-record-limit.ts';

const buildRefusedEvent = (reason: string, podUid?: string): AuditEvent => ({
  kind: 'run.refused',
  at: 0,
  reason,
  message: 'no',
  ...(podUid !== undefined && {
    actor: { namespace: 'n', serviceAccount: 's', pod: 'p', podUid },
  }),
});

describe('limitRefusalRecords', () => {
  it('states the omitted ones in the next record when one could not be written', async () => {
    const messages: string[] = [];
    let isFull = false;
    let now = 0;
    const record = limitRefusalRecords(
      ({ message = '' }) =>
        isFull ? Promise.reject(new Error('full')) : Promise.resolve(void messages.push(message)),
      { monotonic: () => now },
    );
    for (let count = 0; count < 25; count += 1) await record(buildRefusedEvent('token_signature'));
    isFull = true;
    now += 10_000;
    await expect(record(buildRefusedEvent('token_signature'))).rejects.toThrow('full');
    isFull = false;
    now += 10_000;
    await record(buildRefusedEvent('token_signature'));
    expect(messages.at(-1)).toBe('no (and 5 more like it, not recorded)');
  });

  it('records each refusal up to the burst, then states how many were omitted', async () => {
    const kept: AuditEvent[] = [];
    let now = 0;
    const record = limitRefusalRecords(
      (event) => {
        kept.push(event);
        return Promise.resolve();
      },
      { monotonic: () => now },
    );
    for (let count = 0; count < 120; count += 1) await record(buildRefusedEvent('token_signature'));
    expect(kept).toHaveLength(20);
    await record(buildRefusedEvent('token_expired'));
    await record(buildRefusedEvent('token_signature', 'pod-1'));
    expect(kept).toHaveLength(22);
    now += 10_000;
    await record(buildRefusedEvent('token_signature'));
    expect(kept.at(-1)?.message).toBe('no (and 100 more like it, not recorded)');
    now += 10_000;
    await record(buildRefusedEvent('token_signature'));
    expect(kept.at(-1)?.message).toBe('no');
  });
});
