import { describe, expect, it } from '@jest/globals';
import { computeShares } from './profile-shares.ts';

const node = (
  id: number,
  functionName: string,
  url = 'file:///bundle.cjs',
  children?: number[],
) => ({
  ...{ id, callFrame: { functionName, url, lineNumber: 0, columnNumber: 0 } },
  ...(children && { children }),
});
const readName = ({ functionName }: { readonly functionName: string }): string => functionName;

describe('computeShares', () => {
  it('adds up the time of each module without the time of waiting, the largest first', () => {
    const profile = {
      nodes: [node(1, '(idle)'), node(2, 'a'), node(3, 'b'), node(4, 'b')],
      samples: [1, 2, 3, 1, 4],
      timeDeltas: [10, 10, 20, 10, 10],
    };
    expect(computeShares([profile], readName)).toEqual([
      { module: 'b', share: 0.75 },
      { module: 'a', share: 0.25 },
    ]);
  });

  it('counts a sample in which another process had the CPU as one of twice the usual length', () => {
    const profile = {
      nodes: [node(2, 'a'), node(3, 'b')],
      samples: [2, 2, 2, 3],
      timeDeltas: [10, 10, 10, 500],
    };
    expect(computeShares([profile], readName)).toEqual([
      { module: 'a', share: 0.6 },
      { module: 'b', share: 0.4 },
    ]);
  });

  it('counts what is native for the module that calls it', () => {
    const profile = {
      nodes: [node(1, 'a', undefined, [2]), node(2, 'writev', ''), node(3, '(program)', '')],
      samples: [1, 2, 3],
      timeDeltas: [20, 40, 40],
    };
    expect(computeShares([profile], readName)).toEqual([
      { module: 'a', share: 0.6 },
      { module: '(program)', share: 0.4 },
    ]);
  });
});
