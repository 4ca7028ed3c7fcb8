import { describe, expect, it } from '@jest/globals';
import type { ApiAnswer, ApiCall } from './api-connections.ts';
import { createAllAsDryRun, findLongestGap } from './dry-creations.ts';
import type { Attempt } from './dry-creations.ts';

const buildPodWith = (...names: string[]): string =>
  JSON.stringify({
    metadata: { name: 'x' },
    spec: { initContainers: names.map((name) => ({ name })) },
  });
const injected = { status: 201, body: buildPodWith('mesh', 'valetkey-sidecar') };
const bare = { status: 201, body: buildPodWith('mesh') };
const refused = { status: 500, body: 'failed calling webhook' };

type GivenAnswer = Pick<ApiAnswer, 'status' | 'body'>;

const createFakeConnections = (...answers: GivenAnswer[]) => {
  const asked: ApiCall[] = [];
  const call = (request: ApiCall): Promise<ApiAnswer> => {
    const answer = answers[asked.push(request) - 1] ?? injected;
    return Promise.resolve({ ...answer, milliseconds: 1 });
  };
  return { asked, call };
};

const buildPlan = (count: number) => ({
  path: '/pods',
  pods: Array.from({ length: count }, (_, index) => ({ index })),
  concurrency: 1,
  atHalf: () => Promise.resolve(),
  retryAfterMs: 0,
});

const listOutcomes = async (...answers: GivenAnswer[]): Promise<string[][]> => {
  const creations = await createAllAsDryRun(createFakeConnections(...answers), buildPlan(1));
  return creations.map((attempts) => attempts.map(({ outcome }) => outcome));
};

describe('createAllAsDryRun', () => {
  it('sends each pod as a dry run', async () => {
    const { asked, call } = createFakeConnections();
    await createAllAsDryRun({ call }, buildPlan(2));
    expect(asked.map(({ path, body }) => `${path} ${body?.toString() ?? ''}`)).toEqual([
      '/pods?dryRun=All {"index":0}',
      '/pods?dryRun=All {"index":1}',
    ]);
  });

  it('distinguishes a pod with the sidecar from one without', async () => {
    expect(await listOutcomes(injected)).toEqual([['injected']]);
    expect(await listOutcomes(bare)).toEqual([['bare']]);
  });

  it('repeats refused requests a limited number of times', async () => {
    expect(await listOutcomes(refused, injected)).toEqual([['refused', 'injected']]);
    const always = Array.from({ length: 5 }, () => refused);
    expect(await listOutcomes(...always)).toEqual([always.map(() => 'refused')]);
  });

  it('calls atHalf once, when half of the creations have started', async () => {
    const { asked, call } = createFakeConnections();
    const disturbedAt: number[] = [];
    const atHalf = () => Promise.resolve(void disturbedAt.push(asked.length));
    await createAllAsDryRun({ call }, { ...buildPlan(10), atHalf });
    expect(disturbedAt).toEqual([5]);
  });
});

describe('findLongestGap', () => {
  const at = (endedAt: number, outcome: Attempt['outcome'] = 'injected') => [
    { outcome, message: '', endedAt },
  ];

  it('finds the gap between two successes, in any order', () => {
    expect(findLongestGap([at(40), at(12), at(20)], 10)).toBe(20);
  });

  it('finds the gap before the first success', () => {
    expect(findLongestGap([at(30), at(40)], 10)).toBe(20);
  });

  it('ignores refusals', () => {
    expect(findLongestGap([at(12), at(20, 'refused'), at(30)], 10)).toBe(18);
  });
});
