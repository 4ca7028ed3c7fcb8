import { describe, expect, it } from '@jest/globals';
import { computeShares } from './profile-shares.ts';

const node = (id: number, functionName: string) => ({
  id,
  callFrame: { functionName, url: '', lineNumber: 0, columnNumber: 0 },
});

describe('computeShares', () => {
  it('adds up the time of each module without the time of waiting, the largest first', () => {
    const profile = {
      nodes: [node(1, '(idle)'), node(2, 'a'), node(3, 'b'), node(4, 'b')],
      samples: [1, 2, 3, 1, 4],
      timeDeltas: [100, 10, 20, 500, 10],
    };
    expect(computeShares([profile], ({ functionName }) => functionName)).toEqual([
      { module: 'b', share: 0.75 },
      { module: 'a', share: 0.25 },
    ]);
  });
});
