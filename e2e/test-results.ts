import { existsSync, readFileSync } from 'node:fs';

type JestResults = {
  testResults: {
    status: string;
    assertionResults: { fullName: string; status: string; duration?: number }[];
  }[];
};

export type TestResult = { entry: string; name: string; status: string; seconds: number };

/** The stories of one entry, as jest recorded them; a entry that left no record is one failed story. */
export const readTestResults = (entry: string, file: string): TestResult[] => {
  if (!existsSync(file)) return [{ entry, name: '(no results)', status: 'failed', seconds: 0 }];
  const results = JSON.parse(readFileSync(file, 'utf8')) as JestResults;
  return results.testResults.flatMap(({ status, assertionResults }) =>
    status === 'failed' && assertionResults.length === 0
      ? [{ entry, name: '(a file that could not be run)', status, seconds: 0 }]
      : assertionResults.map(({ fullName, duration, ...story }) => ({
          entry,
          name: fullName,
          status: story.status,
          seconds: (duration ?? 0) / 1000,
        })),
  );
};

export const listFailed = (stories: TestResult[]): TestResult[] =>
  stories.filter(({ status }) => status === 'failed');

export const listPassed = (stories: TestResult[]): TestResult[] =>
  stories.filter(({ status }) => status === 'passed');

/** The slowest stories, slowest first, one line each. */
export const formatSlowest = (stories: TestResult[], count = 20): string[] =>
  stories
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, count)
    .map(({ seconds, entry, name }) => `  ${seconds.toFixed(1).padStart(6)} s  ${entry}: ${name}`);
