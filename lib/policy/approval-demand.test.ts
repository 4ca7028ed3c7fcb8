import { describe, expect, it } from '@jest/globals';

import { buildRunRequest, loadCatalog } from './fixtures/policy-requests.ts';
import { evaluateRunAsking } from './approval-demand.ts';
import { compilePolicies } from './compiled-policies.ts';

const PERMIT = 'permit (principal, action, resource);';
const ask = (group: string, more = '') =>
  `@id("${group.replace('/', '-')}") @approval("${group}") forbid (principal, action, resource) ${more}
   unless { context.approvals.contains("${group.split('/')[0] ?? ''}") };`;

const evaluate = (cedar: string) =>
  evaluateRunAsking(
    { policies: compilePolicies([{ name: 'a', cedar }]), loadCatalog },
    buildRunRequest(),
  );

describe('evaluateRunAsking', () => {
  it('names the groups and policies that could allow a denied run', async () => {
    const { decision, demand } = await evaluate(PERMIT + ask('data-owners/2'));
    expect(decision.outcome).toBe('deny');
    expect(demand).toMatchObject({
      groups: [{ name: 'data-owners', quorum: 2 }],
      policies: [{ id: 'a/data-owners-2' }],
    });
    expect(demand?.policies[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(demand?.hashPolicy('a/data-owners-2')).toBe(demand?.policies[0]?.sha256);
    expect(demand?.hashPolicy('a/other')).toBeUndefined();
  });

  it('asks every group, each for its largest quorum', async () => {
    const { demand } = await evaluate(PERMIT + ask('b') + ask('a') + ask('b/3'));
    expect(demand?.groups).toEqual([
      { name: 'a', quorum: 1 },
      { name: 'b', quorum: 3 },
    ]);
  });

  it.each([
    ['nothing permits the run anyway', ask('data-owners')],
    [
      'another policy forbids it anyway',
      `${PERMIT}${ask('data-owners')} forbid (principal, action, resource);`,
    ],
    [
      'the policy holds whatever people decide',
      `${PERMIT} @approval("a") forbid (principal, action, resource);`,
    ],
  ])('asks no one if %s', async (_, cedar) => {
    const { decision, demand } = await evaluate(cedar);
    expect(decision.outcome).toBe('deny');
    expect(demand).toBeUndefined();
  });

  it('asks no one about a run that is allowed', async () => {
    const { decision, demand } = await evaluate(PERMIT + ask('a', 'when { context.hour > 23 }'));
    expect(decision.outcome).toBe('allow');
    expect(demand).toBeUndefined();
  });
});
