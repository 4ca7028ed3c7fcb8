import { describe, expect, it } from '@jest/globals';
import type { LoadFigures } from './credential-load.ts';
import type { CallFigures } from './fault-results.ts';
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

const buildCalls = (changes: Partial<CallFigures>) => ({
  calls: {
    ...{ ...KEPT, received: 950, withoutLine: 0, journaled: 960, withoutRecord: 0 },
    ...{ verificationFaults: 0, ...changes },
  },
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

  it('rejects lost calls, and calls after the end of their run', () => {
    expect(() => checkPromises('soak', buildCalls({}))).not.toThrow();
    expect(() => checkPromises('soak', buildCalls({ lost: 1, servedAfterEnd: 2 }))).toThrow(
      'soak: expected no lost calls, got 1 of 900; expected no calls after the end of their run, got 2 of 900',
    );
  });

  it('rejects calls without a line or a record, unless the text of the fault declares them', () => {
    const unaccounted = buildCalls({ withoutLine: 4, withoutRecord: 5 });
    expect(() => checkPromises('audit-disk-full', unaccounted)).toThrow(
      'audit-disk-full: expected a line for each request that the cloud received, got none for 4 of 950; expected a record of each line, got none for 5 of 960',
    );
    expect(() => checkPromises('sidecar-killed', unaccounted)).not.toThrow();
  });

  it('rejects a journal whose chain has faults, whatever the fault', () => {
    const faulty = buildCalls({ verificationFaults: 1 });
    expect(() => checkPromises('sidecar-killed', faulty)).toThrow('without faults, got 1');
  });
});
