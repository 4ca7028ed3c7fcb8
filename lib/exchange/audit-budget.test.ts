import { describe, expect, it } from '@jest/globals';

import type { AuditEvent } from '../audit/audit-event.ts';
import { createAuditBudget } from './audit-budget.ts';

const HOUR_MS = 3_600_000;

const buildEvent = (namespace?: string): AuditEvent => ({
  kind: 'run.refused',
  at: 0,
  reason: 'policy_denied',
  ...(namespace !== undefined && {
    actor: { namespace, serviceAccount: 's', pod: 'p', podUid: 'u' },
  }),
});

const createBudget = (bytesPerHour = 1_000) => {
  const time = { elapsed: 0 };
  const clock = { now: () => 5_000 + time.elapsed, monotonic: () => time.elapsed };
  const budget = createAuditBudget(bytesPerHour, clock);
  const kept: AuditEvent[] = [];
  const record = budget.limitRefusals((event) => Promise.resolve(void kept.push(event)));
  return { budget, time, kept, record };
};

describe('createAuditBudget', () => {
  it('refuses a namespace whose records used its budget up, and no other', () => {
    const { budget } = createBudget();
    budget.charge(buildEvent('flood'), 999);
    budget.checkBudget({ namespace: 'flood' });
    budget.charge(buildEvent('flood'), 501);
    expect(() => budget.checkBudget({ namespace: 'flood' })).toThrow(
      expect.objectContaining({
        code: 'rate_limited_audit',
        retryAfterMs: Math.ceil((501 / 1_000) * HOUR_MS),
      }),
    );
    budget.checkBudget({ namespace: 'other' });
  });

  it('accepts the namespace again after the time that it states', () => {
    const { budget, time } = createBudget();
    budget.charge(buildEvent('flood'), 1_500);
    time.elapsed = (500 / 1_000) * HOUR_MS;
    expect(() => budget.checkBudget({ namespace: 'flood' })).toThrow();
    time.elapsed = (501 / 1_000) * HOUR_MS;
    budget.checkBudget({ namespace: 'flood' });
  });

  it('holds no more than the budget of an hour', () => {
    const { budget, time } = createBudget();
    time.elapsed = 100 * HOUR_MS;
    budget.charge(buildEvent('flood'), 1_000);
    expect(() => budget.checkBudget({ namespace: 'flood' })).toThrow();
  });

  it('counts the refusals of a namespace over its budget, and records those of others', async () => {
    const { budget, time, kept, record } = createBudget();
    budget.charge(buildEvent('flood'), 2_000);
    await record(buildEvent('flood'));
    time.elapsed = 30_000;
    await record(buildEvent('flood'));
    await record(buildEvent('other'));
    await record(buildEvent());
    expect(kept).toEqual([buildEvent('other'), buildEvent()]);
    expect(budget.takeCounted()).toEqual([
      expect.objectContaining({
        kind: 'run.refused',
        reason: 'rate_limited_audit',
        counted: { namespace: 'flood', count: 2, from: 5_000, to: 35_000 },
      }),
    ]);
    expect(budget.takeCounted()).toEqual([]);
  });

  it('charges nothing for the record of counted refusals', () => {
    const { budget } = createBudget();
    const counted = { namespace: 'a', count: 1, from: 1, to: 1 };
    budget.charge({ ...buildEvent(), counted }, 5_000);
    budget.checkBudget({ namespace: 'a' });
  });
});
