import { describe, expect, it } from '@jest/globals';
import { startFakeSts } from './fake-sts.ts';
import { countPeak, createRandom } from './fleet-herd.ts';
import { measureVirtualPods, simulatePodHerd } from './pod-restart-herd.ts';
import {
  computePodRestart,
  listPodRestartFigures,
  readPodRestart,
  type PodStart,
} from './pod-restart-results.ts';

const load = { requests: 40, seconds: 8, p99Ms: 12.3456 };

const compute = (pods: readonly PodStart[], calls: readonly [at: number, isThrottled: boolean][]) =>
  computePodRestart({
    ...{ podsPerSecond: 1, stsLimit: 2, load },
    cpuSeconds: { authority: 1.2345, webhook: 0.5, cluster: 2 },
    clients: { pods, failures: { overloaded: 3 }, cpuSeconds: 4 },
    calls: calls.map(([at, isThrottled]) => ({ at, isThrottled })),
  });

describe('computePodRestart', () => {
  const pods = [
    { startedAt: 1_000, credentialsAt: 1_500, retries: 0 },
    { startedAt: 2_000, credentialsAt: 6_000, retries: 3 },
    { startedAt: 3_000, credentialsAt: 4_000, retries: 1 },
  ];

  it('computes times from the start of the first pod, and waits from the start of each', () => {
    expect(compute(pods, [])).toMatchObject({
      ...{ waiting: 0, halfSeconds: 3, allSeconds: 5 },
      ...{ medianWaitSeconds: 1, p99WaitSeconds: 1, maxWaitSeconds: 4 },
    });
  });

  it('computes the least time from the rate of the pods, or from the limit of STS if it is lower', () => {
    // Three pods at one per second; STS answers two at once, and two in each second.
    expect(compute(pods, []).leastSeconds).toBe(2);
    const many = Array.from({ length: 30 }, () => ({ startedAt: 0, credentialsAt: 1, retries: 0 }));
    const figures = computePodRestart({
      ...{ podsPerSecond: 30, stsLimit: 2, load, calls: [] },
      clients: { pods: many, failures: {}, cpuSeconds: 0 },
      cpuSeconds: { authority: 0, webhook: 0, cluster: 0 },
    });
    expect(figures.leastSeconds).toBe(14);
  });

  it('counts pods without credentials, and leaves them out of the times', () => {
    const figures = compute([...pods, { startedAt: 500, retries: 9 }], []);
    expect(figures).toMatchObject({ waiting: 1, allSeconds: 5.5, maxWaitSeconds: 4 });
    expect(figures).toMatchObject({ retries: 13, maxRetries: 9 });
  });

  it('counts calls of STS, throttled ones, and the most in a window', () => {
    const times = [0, 50, 90, 150, 700, 1_100].map((at): [number, boolean] => [at, at === 90]);
    expect(compute(pods, times)).toMatchObject({
      ...{ stsCalls: 6, stsThrottled: 1, stsPeakInTenth: 3, stsPeakInSecond: 5 },
    });
  });

  it('states how many reviews there were in a second', () => {
    expect(compute(pods, [])).toMatchObject({
      ...{ reviews: 40, reviewsPerSecond: 5, reviewP99Ms: 12.3 },
      cpuSeconds: { authority: 1.23, webhook: 0.5, pods: 4, cluster: 2 },
    });
  });
});

describe('listPodRestartFigures', () => {
  it('lists the codes of all simulations, each with a value for every simulation', () => {
    const [first] = readPodRestart().restarts;
    if (first === undefined) throw new Error('expected a published simulation');
    const restarts = [
      { ...first, failures: { overloaded: 2 } },
      { ...first, failures: { Throttling: 5 } },
    ];
    const codes = listPodRestartFigures({ restarts }).filter(({ name }) => name.includes('`'));
    expect(codes.map(({ name, values }) => [name, values])).toEqual([
      ['retries after `Throttling`', [0, 5]],
      ['retries after `overloaded`', [2, 0]],
    ]);
  });
});

describe('a fleet whose pods all start in one moment', () => {
  const PODS = 300;
  const options = { pods: PODS, stsLimit: 50 };

  it('gets all credentials without a retry from an STS whose limit it does not exceed', async () => {
    const herd = await simulatePodHerd({ pods: PODS, stsLimit: PODS, random: createRandom(1) });
    expect(herd.served).toHaveLength(PODS);
    expect(herd.calls).toHaveLength(PODS);
    expect(Math.max(...herd.retries)).toBe(0);
  });

  it('gets all credentials in little more time than the limit of STS needs', async () => {
    const herd = await simulatePodHerd({ ...options, random: createRandom(1) });
    expect(herd.served).toHaveLength(PODS);
    // 50 at once, and 50 in each second.
    expect(herd.served.at(-1)).toBeGreaterThan(((PODS - 50) / 50) * 1_000);
    expect(herd.served.at(-1)).toBeLessThan(((PODS - 50) / 50) * 1_000 * 3);
  });

  it('spreads its retries by jitter, without which they come in step', async () => {
    const findPeak = async (random: () => number): Promise<number> => {
      const { calls } = await simulatePodHerd({ ...options, random });
      return countPeak(
        calls.map(({ at }) => at).filter((at) => at >= 1_000),
        100,
      );
    };
    const inStep = await findPeak(() => 1);
    expect(inStep).toBeGreaterThan(PODS / 2);
    expect(await findPeak(createRandom(1))).toBeLessThan(inStep / 3);
  });

  it('is what docs/sizing.md states', async () => {
    const { pods, virtual } = readPodRestart();
    expect(await measureVirtualPods(pods, virtual.stsLimit)).toEqual(virtual);
  });
});

describe('startFakeSts', () => {
  it('throttles calls above its limit as AWS does, and answers again when time has passed', async () => {
    let now = 0;
    const sts = await startFakeSts({ perSecond: 2, monotonic: () => now });
    const call = async (): Promise<string> => {
      const response = await fetch(sts.url, { method: 'POST', body: 'DurationSeconds=900' });
      const [, code = ''] = /<Code>(\w+)<\/Code>/.exec(await response.text()) ?? [];
      return `${response.status} ${code}`.trim();
    };
    try {
      expect([await call(), await call(), await call()]).toEqual(['200', '200', '400 Throttling']);
      now = 500;
      expect(await call()).toBe('200');
      expect(sts.listCalls().map(({ isThrottled }) => isThrottled)).toEqual([
        ...[false, false, true, false],
      ]);
    } finally {
      await sts.stop();
    }
  });
});
