import { describe, expect, it } from '@jest/globals';

import { ExchangeError } from '../contract/exchange.ts';
import { buildTask } from './fixtures/fake-exchange.ts';
import { createNotedExchange } from './noted-exchange.ts';
import { createRefusalMemory } from './refusal-memory.ts';

const proposal = { task: 'report', allow: [{ actions: ['s3:GetObject'], resources: ['*'] }] };
const refusal = { code: 'action_outside', message: 'outside', proposal };

describe('createRefusalMemory', () => {
  it('names the route in the message of what can be proposed', () => {
    const memory = createRefusalMemory({ canPropose: true });
    const message = 'outside; to propose this right to people: POST /v1/proposals {"refusal":"r1"}';
    expect(memory.remember('agent', 'r1', refusal)).toBe(message);
    expect(memory.find('agent', 'r1')).toEqual({ ...refusal, message });
    expect(memory.remember('agent', 'r2', { code: 'presigned', message: 'no' })).toBe('no');
  });

  it('names no route where no authority takes proposals', () => {
    const memory = createRefusalMemory({ canPropose: false });
    expect(memory.remember('agent', 'r1', refusal)).toBe('outside');
    expect(memory.find('agent', 'r1')?.proposal).toEqual(proposal);
  });

  it('shows a refusal to its own consumer only', () => {
    const memory = createRefusalMemory({ canPropose: true });
    memory.remember('agent', 'r1', refusal);
    expect(memory.find('other', 'r1')).toBeUndefined();
    expect(memory.find('agent', 'r2')).toBeUndefined();
  });

  it('keeps the last 32 of each consumer', () => {
    const memory = createRefusalMemory({ canPropose: true });
    memory.remember('other', 'o', refusal);
    for (let at = 0; at < 33; at += 1) memory.remember('agent', `r${at}`, refusal);
    expect(memory.find('agent', 'r0')).toBeUndefined();
    expect(memory.find('agent', 'r1')).toBeDefined();
    expect(memory.find('other', 'o')).toBeDefined();
  });
});

describe('createNotedExchange', () => {
  const refusals = createRefusalMemory({ canPropose: true });
  const run = (code: string, resources: string[], policies: string[] = []) => {
    const allow = [{ actions: ['s3:GetObject'], resources }];
    const params = { day: { pattern: '[0-9]+', maxLength: 8 } };
    const exchange = createNotedExchange(
      () =>
        Promise.reject(new ExchangeError('refused', code, 'no policy permits it', { policies })),
      { refusals, createId: () => `id-${code}` },
    );
    const task = buildTask({ name: 'report', allow, params });
    const request = { consumer: 'agent', task, params: { day: '28' } };
    return exchange(request, new AbortController().signal);
  };

  it('remembers a run that no policy permits, with the values of its params', async () => {
    await expect(run('policy_denied', ['arn:aws:s3:::data/{day}/*'])).rejects.toThrow(
      'POST /v1/proposals {"refusal":"id-policy_denied"}',
    );
    expect(refusals.find('agent', 'id-policy_denied')).toMatchObject({
      code: 'policy_denied',
      proposal: {
        task: 'report',
        allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::data/28/*'] }],
      },
    });
  });

  it('leaves alone what a policy forbids', async () => {
    const forbidden = run('policy_denied', ['arn:aws:s3:::data/x'], ['guard/0']);
    await expect(forbidden).rejects.toThrow(/^no policy permits it$/);
  });

  it('leaves other refusals alone, and runs of more than 16 pairs', async () => {
    await expect(run('revoked', ['*'])).rejects.toThrow(/^no policy permits it$/);
    const many = Array.from({ length: 17 }, (_, at) => `arn:aws:s3:::data/${at}`);
    await expect(run('policy_denied', many)).rejects.toThrow(/^no policy permits it$/);
    expect(refusals.find('agent', 'id-revoked')).toBeUndefined();
  });
});
