import { describe, expect, it } from '@jest/globals';
import type { LoadFigures } from './credential-load.ts';
import { checkPromises } from './promises.ts';

const KEPT: LoadFigures = {
  requests: 900,
  refused: 100,
  lost: 0,
  servedAfterEnd: 0,
  longestGapSeconds: 2,
};

const buildMeasurement = (changes: Partial<LoadFigures>) => ({
  load: { ...KEPT, ...changes },
  figures: [],
});

describe('checkPromises', () => {
  it('accepts requests that were refused at first', () => {
    expect(() => checkPromises('sidecar-killed', buildMeasurement({}))).not.toThrow();
    expect(() => checkPromises('soak', { figures: [] })).not.toThrow();
  });

  it('rejects a request that was lost, with the name of the fault and the numbers', () => {
    expect(() => checkPromises('sidecar-killed', buildMeasurement({ lost: 3 }))).toThrow(
      'sidecar-killed: expected no lost requests for credentials, got 3 of 900',
    );
  });

  it('rejects ended credentials, and says so beside what was lost', () => {
    const broken = buildMeasurement({ lost: 3, servedAfterEnd: 2 });
    expect(() => checkPromises('soak', broken)).toThrow(
      'soak: expected no lost requests for credentials, got 3 of 900; expected no requests for credentials after the end of their run, got 2 of 900',
    );
  });

  it('accepts lost requests only of a fault whose text declares them', () => {
    const lost = buildMeasurement({ lost: 900 });
    expect(() => checkPromises('node-clock', lost)).not.toThrow();
    const served = buildMeasurement({ lost: 899, servedAfterEnd: 1 });
    expect(() => checkPromises('node-clock', served)).toThrow(
      'node-clock: expected no requests for credentials after the end of their run, got 1 of 900',
    );
  });
});
