import { describe, expect, it } from '@jest/globals';
import { checkFileLimit } from './fleet.ts';

const limits = (
  soft: string,
): string => `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            ${soft}                 1048576              files
`;

describe('checkFileLimit', () => {
  it('permits a fleet for which the process may open enough files', () => {
    expect(() => checkFileLimit(5_000, limits('5256'))).not.toThrow();
    expect(() => checkFileLimit(5_000, limits('unlimited'))).not.toThrow();
  });

  it('names the limit of open files, and what is needed', () => {
    expect(() => checkFileLimit(5_000, limits('1024'))).toThrow(
      '--fleet 5000: expected at least 5256 open files, found 1024; raise `ulimit -n` or lower --fleet',
    );
  });

  it('refuses what states no limit', () => {
    expect(() => checkFileLimit(1, '')).toThrow(/found no limit/);
  });
});
