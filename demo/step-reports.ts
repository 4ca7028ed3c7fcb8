import type { StepReport } from './agent-calls.ts';
import { UnrecoverableError, waitFor } from '../test/kit/retry.ts';
import type { Child } from './child-process.ts';

/** Within it, a step that waits for another consumer or for people ends. */
const STEP_TIMEOUT_MS = 120_000;

/** The report of a consumer about one step; `repetition` 1 is the second one of the same words. */
export type FindStepReport = (step: string, repetition?: number) => StepReport;

/** @returns undefined: the consumer has printed none about this step so far */
const findStepReport = (
  child: Pick<Child, 'lines'>,
  step: string,
  repetition = 0,
): StepReport | undefined =>
  child
    .lines()
    .map((line) => JSON.parse(line) as StepReport)
    .filter((report) => report.step === step)[repetition];

/**
 * Reads the reports that a consumer printed.
 *
 * @throws Error if a step is missing
 */
export const readStepReports =
  (child: Child): FindStepReport =>
  (step, repetition) => {
    const report = findStepReport(child, step, repetition);
    if (report === undefined) throw new Error(`${child.name} reported no step "${step}"`);
    return report;
  };

/** Waits for a report. @throws Error if the consumer ends without it */
export const waitForStep = (child: Child, step: string): Promise<StepReport> =>
  waitFor(
    `the step "${step}" of ${child.name}`,
    () => {
      const report = findStepReport(child, step);
      if (report !== undefined) return report;
      if (!child.isRunning()) throw new UnrecoverableError(`it ended: ${child.lastLog()}`);
      return undefined;
    },
    { timeoutMs: STEP_TIMEOUT_MS, intervalMs: 20 },
  );
