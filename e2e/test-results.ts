import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type JestTest = { fullName: string; status: string; duration?: number | null };

type JestResults = {
  testResults: { name: string; status: string; assertionResults: JestTest[] }[];
};

/** The result of one test in one matrix entry. */
export type TestResult = { entry: string; name: string; status: string; seconds: number };

/** Writes results of a program that is not jest, as jest does. `duration` is in milliseconds. */
export const writeTestResults = (
  file: string,
  program: string,
  tests: readonly (JestTest & { readonly status: 'passed' | 'failed' })[],
): void => {
  const status = tests.every((test) => test.status === 'passed') ? 'passed' : 'failed';
  const testResults = [{ name: program, status, assertionResults: tests }];
  writeFileSync(file, JSON.stringify({ testResults }));
};

/** Copies a result file to where `.ci/run` counts it, if it does. */
export const copyResults = (file: string, name: string): void => {
  const folder = process.env['VALETKEY_RESULTS'];
  if (folder !== undefined && existsSync(file)) copyFileSync(file, join(folder, name));
};

/** Reads the results that jest wrote; a missing file is one failed result. */
export const readTestResults = (entry: string, file: string): TestResult[] => {
  if (!existsSync(file)) return [{ entry, name: '(no results)', status: 'failed', seconds: 0 }];
  const { testResults } = JSON.parse(readFileSync(file, 'utf8')) as JestResults;
  return testResults.flatMap(({ name, status, assertionResults }) => {
    const tests = assertionResults.map((test) => toTestResult(entry, test));
    // A syntax error or an error in afterAll fails the file, but none of its tests.
    const isUnexplained = status === 'failed' && listFailed(tests).length === 0;
    const failure = { entry, name: `(${name} failed outside of its tests)`, status, seconds: 0 };
    return isUnexplained ? [...tests, failure] : tests;
  });
};

const toTestResult = (entry: string, { fullName, status, duration }: JestTest): TestResult => ({
  entry,
  name: fullName,
  status,
  seconds: (duration ?? 0) / 1000,
});

export const listFailed = (results: TestResult[]): TestResult[] =>
  results.filter(({ status }) => status === 'failed');

export const listPassed = (results: TestResult[]): TestResult[] =>
  results.filter(({ status }) => status === 'passed');

/** Formats the report at the end of a run: the slowest tests, the failures, and the totals. */
export const formatReport = (results: TestResult[], slowestCount = 20): string[] => [
  `The slowest ${slowestCount} tests:`,
  ...results
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, slowestCount)
    .map(({ seconds, entry, name }) => `${seconds.toFixed(1).padStart(8)} s  ${entry}: ${name}`),
  ...listFailed(results).map(({ entry, name }) => `FAILED ${entry}: ${name}`),
  `${listPassed(results).length} passed, ${listFailed(results).length} failed`,
];

export const isSuccessful = (results: TestResult[]): boolean =>
  listPassed(results).length > 0 && listFailed(results).length === 0;
