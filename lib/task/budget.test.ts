import { describe, expect, it } from '@jest/globals';

import { formatFieldError } from '../schema/field-error.ts';
import { read } from '../schema/reader.ts';
import { admittedBudget, createBudgetReader } from './budget.ts';

const readBudget = (given: unknown, provider = 'http') => {
  const result = read(createBudgetReader(provider), given, 'budget');
  return result.ok ? result.value : result.faults.map(formatFieldError);
};

describe('createBudgetReader', () => {
  it('reads numbers, and bytes also with a unit', () => {
    expect(readBudget({ calls: '10', bytesOut: '64Mi', denials: '0', tokens: '200000' })).toEqual({
      calls: 10,
      bytesOut: 64 * 1024 * 1024,
      denials: 0,
      tokens: 200_000,
    });
  });

  it.each([
    [{}, 'at least one of calls, bytesOut, denials, tokens'],
    [{ calls: '0' }, 'a whole number from 1 to 1000000000'],
    [{ calls: '1Ki' }, 'a whole number from 1 to 1000000000'],
    [{ calls: '-1' }, 'a whole number from 1 to 1000000000'],
    [{ calls: '1.5' }, 'a whole number from 1 to 1000000000'],
    [{ calls: '01' }, 'a whole number from 1 to 1000000000'],
    [{ denials: '1000001' }, 'a whole number from 0 to 1000000'],
    [{ bytesOut: '2000Gi' }, 'or with Ki, Mi or Gi, from 1 to 1099511627776'],
    [{ tokens: '' }, 'a whole number from 1 to 1000000000'],
    [{ call: '1' }, 'call'],
    ['10', 'budget'],
  ])('refuses %j', (given, expected) => {
    expect(readBudget(given)).toEqual([expect.stringContaining(expected)]);
  });

  it('accepts tokens only of provider http, which reports them', () => {
    expect(readBudget({ calls: '1', tokens: '1' }, 'aws')).toEqual([
      'budget.tokens: expected no tokens in a task of provider aws: only APIs of provider http report them, got 1',
    ]);
  });
});

describe('admittedBudget', () => {
  it('reads what admission wrote, within the same bounds', () => {
    expect(read(admittedBudget, { calls: 1, denials: 0 }, 'budget').ok).toBe(true);
    expect(read(admittedBudget, { calls: 0 }, 'budget').ok).toBe(false);
    expect(read(admittedBudget, {}, 'budget').ok).toBe(false);
  });
});
