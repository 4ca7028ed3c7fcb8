import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from './cluster/progress.ts';
import type { FaultId } from './faults/fault-cases.ts';
import { copyResults, readTestResults, type TestResult } from './test-results.ts';
import { FAULTS_RESULT_NAME } from './test-selection.ts';

/** Those whose short form is quick, and which between them show lost requests, lost records and growth. */
const SHORT_FAULTS: readonly FaultId[] = ['sidecar-killed', 'audit-disk-full', 'soak'];
const PROGRAM = join(import.meta.dirname, 'faults', 'main.ts');

/** Applies some faults, each as shortly as possible, to the programs as they are built; one result for each. */
export const runShortFaults = async (progress: Progress): Promise<TestResult[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-faults-'));
  const output = join(folder, FAULTS_RESULT_NAME);
  const only = `^(${SHORT_FAULTS.join('|')})$`;
  try {
    const args = [PROGRAM, '--short', '--only', only, '--results', output];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    await once(child, 'close');
    progress('short faults applied');
    copyResults(output, FAULTS_RESULT_NAME);
    return readTestResults('faults', output);
  } finally {
    rmSync(folder, { recursive: true });
  }
};
