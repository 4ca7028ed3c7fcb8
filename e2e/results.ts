import { existsSync, readFileSync } from 'node:fs';

type JestResults = {
  numPassedTests: number;
  numFailedTests: number;
  numFailedTestSuites: number;
  testResults: { assertionResults: { fullName: string; status: string; duration?: number }[] }[];
};

export type Story = { pass: string; name: string; status: string; seconds: number };

/** The stories of one pass, as jest recorded them; a pass that left no record is one failed story. */
export const readStories = (pass: string, file: string): Story[] => {
  if (!existsSync(file)) return [{ pass, name: '(no results)', status: 'failed', seconds: 0 }];
  const results = JSON.parse(readFileSync(file, 'utf8')) as JestResults;
  const stories = results.testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName, status, duration }) => ({
      pass,
      name: fullName,
      status,
      seconds: (duration ?? 0) / 1000,
    })),
  );
  const lost = results.numFailedTestSuites - failedIn(stories).length;
  const unloaded = { pass, name: '(a file that could not be run)', status: 'failed', seconds: 0 };
  return [...stories, ...Array.from({ length: Math.max(0, lost) }, () => unloaded)];
};

export const failedIn = (stories: Story[]): Story[] =>
  stories.filter(({ status }) => status === 'failed');

export const passedIn = (stories: Story[]): Story[] =>
  stories.filter(({ status }) => status === 'passed');

/** The slowest stories, slowest first, one line each. */
export const slowest = (stories: Story[], count = 10): string[] =>
  stories
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, count)
    .map(({ seconds, pass, name }) => `  ${seconds.toFixed(1).padStart(6)} s  ${pass}: ${name}`);
