import { describe, expect, test } from '@jest/globals';
import type { ApiAnswer, ApiCall } from './api-connections.ts';
import { createAllDry, longestGap } from './dry-creations.ts';
import type { Attempt } from './dry-creations.ts';

const podWith = (...names: string[]): string =>
  JSON.stringify({
    metadata: { name: 'x' },
    spec: { initContainers: names.map((name) => ({ name })) },
  });
const injected = { status: 201, body: podWith('mesh', 'valetkey-sidecar') };
const bare = { status: 201, body: podWith('mesh') };
const refused = { status: 500, body: 'failed calling webhook' };

type Given = Pick<ApiAnswer, 'status' | 'body'>;

const open = (...answers: Given[]) => {
  const asked: ApiCall[] = [];
  const call = (wish: ApiCall): Promise<ApiAnswer> => {
    const answer = answers[asked.push(wish) - 1] ?? injected;
    return Promise.resolve({ ...answer, milliseconds: 1 });
  };
  return { asked, call };
};

const plan = (count: number) => ({
  path: '/pods',
  pods: Array.from({ length: count }, (_, index) => ({ index })),
  lanes: 1,
  atHalf: () => Promise.resolve(),
  retryAfterMs: 0,
});

const outcomesOf = async (...answers: Given[]): Promise<string[][]> => {
  const creations = await createAllDry(open(...answers), plan(1));
  return creations.map((attempts) => attempts.map(({ outcome }) => outcome));
};

describe('creations as dry runs', () => {
  test('are asked for as such, each with its own pod', async () => {
    const { asked, call } = open();
    await createAllDry({ call }, plan(2));
    expect(asked.map(({ path, body }) => `${path} ${body?.toString() ?? ''}`)).toEqual([
      '/pods?dryRun=All {"index":0}',
      '/pods?dryRun=All {"index":1}',
    ]);
  });

  test('tell a pod with its sidecar from one without', async () => {
    expect(await outcomesOf(injected)).toEqual([['injected']]);
    expect(await outcomesOf(bare)).toEqual([['bare']]);
  });

  test('are tried again where they were refused, and not for ever', async () => {
    expect(await outcomesOf(refused, injected)).toEqual([['refused', 'injected']]);
    const always = Array.from({ length: 5 }, () => refused);
    expect(await outcomesOf(...always)).toEqual([always.map(() => 'refused')]);
  });

  test('are disturbed once, half-way', async () => {
    const { asked, call } = open();
    const disturbedAt: number[] = [];
    const atHalf = () => Promise.resolve(void disturbedAt.push(asked.length));
    await createAllDry({ call }, { ...plan(10), atHalf });
    expect(disturbedAt).toEqual([5]);
  });
});

describe('the longest time without a success', () => {
  const at = (endedAt: number, outcome: Attempt['outcome'] = 'injected') => [
    { outcome, said: '', endedAt },
  ];

  test('lies between two, in whatever order they began', () => {
    expect(longestGap([at(40), at(12), at(20)], 10)).toBe(20);
  });

  test('or before the first', () => {
    expect(longestGap([at(30), at(40)], 10)).toBe(20);
  });

  test('is not ended by a refusal', () => {
    expect(longestGap([at(12), at(20, 'refused'), at(30)], 10)).toBe(18);
  });
});
