import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { formatReport, isSuccessful, readTestResults, writeTestResults } from './test-results.ts';
import type { TestResult } from './test-results.ts';

let file: string;
beforeEach(() => {
  file = join(mkdtempSync(join(tmpdir(), 'valetkey-results-')), 'results.json');
});
afterEach(() => {
  rmSync(join(file, '..'), { recursive: true });
});

const readResults = (...testResults: object[]): TestResult[] => {
  writeFileSync(file, JSON.stringify({ testResults }));
  return readTestResults('minio', file);
};
const passed = { fullName: 'works', status: 'passed', duration: 1_500 };

describe('readTestResults', () => {
  it('returns one result for each test, with its seconds', () => {
    const results = readResults({ name: 'a', status: 'passed', assertionResults: [passed] });
    expect(results).toEqual([{ entry: 'minio', name: 'works', status: 'passed', seconds: 1.5 }]);
  });

  it('reports a missing file as one failure', () => {
    expect(readTestResults('minio', file)).toMatchObject([{ status: 'failed' }]);
  });

  it('reports a file that failed outside of its tests', () => {
    const results = readResults({ name: 'a', status: 'failed', assertionResults: [passed] });
    expect(results).toMatchObject([
      { status: 'passed' },
      { name: '(a failed outside of its tests)', status: 'failed' },
    ]);
  });

  it('reports a failed test once', () => {
    const failed = { fullName: 'breaks', status: 'failed', duration: null };
    const results = readResults({ name: 'a', status: 'failed', assertionResults: [failed] });
    expect(results).toMatchObject([{ name: 'breaks', status: 'failed' }]);
  });
});

describe('formatReport', () => {
  const results = [
    { entry: 'unit', name: 'quick', status: 'passed', seconds: 1 },
    { entry: 'rgw', name: 'slow', status: 'failed', seconds: 20 },
  ];

  it('lists the slowest tests first, then the failures and the totals', () => {
    expect(formatReport(results)).toEqual([
      'The slowest 20 tests:',
      '    20.0 s  rgw: slow',
      '     1.0 s  unit: quick',
      'FAILED rgw: slow',
      '1 passed, 1 failed',
    ]);
  });

  it('is a success only if something passed and nothing failed', () => {
    expect(isSuccessful(results)).toBe(false);
    expect(isSuccessful([])).toBe(false);
    expect(isSuccessful(results.slice(0, 1))).toBe(true);
  });
});

describe('writeTestResults', () => {
  it('writes what readTestResults reads', () => {
    writeTestResults(file, 'faults/main.ts', [
      { fullName: 'one', status: 'passed', duration: 1_500 },
      { fullName: 'two', status: 'failed', duration: 20 },
    ]);
    expect(readTestResults('faults', file)).toEqual([
      { entry: 'faults', name: 'one', status: 'passed', seconds: 1.5 },
      { entry: 'faults', name: 'two', status: 'failed', seconds: 0.02 },
    ]);
  });
});
