import { describe, expect, it } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import { createTrustedBundlesReader } from './trust-bundle-users.ts';

const setUp = ({ tookMs }: { readonly tookMs: number }) => {
  let now = 0;
  let lists = 0;
  const readBundles = createTrustedBundlesReader({
    // eslint-disable-next-line @typescript-eslint/require-await -- pages come from a network
    listInjectedPods: async function* (): AsyncGenerator<Pod> {
      lists += 1;
      now += tookMs;
      yield {};
    },
    templates: () => new Map(),
    clock: { monotonic: () => now },
  });
  /** Asks every second. @returns how often pods were listed */
  const countLists = async (seconds: number): Promise<number> => {
    const until = now + seconds * 1000;
    lists = 0;
    for (; now < until; now += 1000) await readBundles();
    return lists;
  };
  return { countLists };
};

describe('createTrustedBundlesReader', () => {
  it('lists the pods of a small cluster every thirty seconds', async () => {
    const { countLists } = setUp({ tookMs: 20 });
    expect(await countLists(300)).toBe(10);
  });

  it('uses at most 2 % of the time to list the pods of a large cluster', async () => {
    const { countLists } = setUp({ tookMs: 6_000 });
    expect(await countLists(3_000)).toBe(10);
  });
});
