import type { StepReport } from './agent.ts';
import type { Child } from './child-process.ts';

/** The report of a consumer about one step. */
export type FindStepReport = (step: string) => StepReport;

/**
 * Reads the reports that a consumer printed.
 *
 * @throws Error if a step is missing
 */
export const readStepReports = (child: Child): FindStepReport => {
  const reports = child.lines().map((line) => JSON.parse(line) as StepReport);
  return (step) => {
    const report = reports.find((one) => one.step === step);
    if (report === undefined) throw new Error(`${child.name} reported no step "${step}"`);
    return report;
  };
};
