/**
 * Prints the report of `.ci/run` over unit and end-to-end tests: `node e2e/ci-report.ts FOLDER`. A result
 * file that is missing counts as one failure. Exit status 1: something failed.
 */
import { join } from 'node:path';
import { formatReport, isSuccessful, readTestResults } from './test-results.ts';
import { listResultNames } from './test-selection.ts';

const [folder = '.'] = process.argv.slice(2);
const results = ['unit.json', ...listResultNames()].flatMap((name) =>
  readTestResults(name.replace('.json', ''), join(folder, name)),
);
for (const line of formatReport(results)) console.log(line);
process.exitCode = isSuccessful(results) ? 0 : 1;
