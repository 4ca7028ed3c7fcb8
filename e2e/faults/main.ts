import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeTestResults } from '../test-results.ts';
import { FAULT_CASES, type FaultId } from './fault-cases.ts';
import { publishFaultResult, readLoadAverage, type FaultMeasurement } from './fault-results.ts';
import { withFolder, type RunFault } from './platform-under-fault.ts';
import { PROCESS_FAULTS, SOAK_MINUTES } from './process-faults.ts';
import { checkPromises } from './promises.ts';

const HELP = `Apply faults to the programs as they are built, and measure what users see. Needs no cluster, but Linux and root.

  node e2e/faults/main.ts [options]

  --only PATTERN  only faults whose name matches this regular expression:
                  ${Object.keys(PROCESS_FAULTS).join(', ')}
  --minutes N     duration of the soak (${SOAK_MINUTES} unless given; 20 seconds with --short)
  --short         only as long as it takes to see that they run; without the soak, unless --only names it
  --results FILE  write the outcome of each fault as jest does
  --publish       write e2e/faults/results.json, from which make docs writes docs/reliability.md
  --help          print this help

Exit status 0: every promise was kept; 1: one was not; 2: wrong options.
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    minutes: { type: 'string' },
    short: { type: 'boolean', default: false },
    results: { type: 'string' },
    publish: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const listChosen = (): [FaultId, RunFault][] =>
  (Object.entries(PROCESS_FAULTS) as [FaultId, RunFault][]).filter(
    ([id]) =>
      new RegExp(values.only, 'i').test(id) &&
      (id !== 'soak' || values.only !== '' || !values.short),
  );

const measure = (run: RunFault): Promise<FaultMeasurement> =>
  withFolder((folder) =>
    run(
      {
        folder,
        programs: join(import.meta.dirname, '../../dist'),
        baseline: undefined,
        repeats: 1,
        seconds: 1,
        progress: (message) => console.error(message),
      },
      {
        isShort: values.short,
        ...(values.minutes !== undefined && { minutes: Number(values.minutes) }),
      },
    ),
  );

/** Whether a fault keeps its promises. */
const runFault = async (id: FaultId, run: RunFault): Promise<boolean> => {
  const loadBefore = readLoadAverage();
  try {
    const measurement = await measure(run);
    checkPromises(id, measurement);
    if (values.publish) publishFaultResult(id, measurement, { loadBefore });
    console.log(`${id}: ${JSON.stringify(measurement)}`);
    return true;
  } catch (error) {
    console.error(`${id}: not as promised`, error);
    return false;
  }
};

/** Whether every fault that was chosen keeps its promises. */
const runFaults = async (chosen: readonly [FaultId, RunFault][]): Promise<boolean> => {
  const outcomes: { fullName: string; status: 'passed' | 'failed'; duration: number }[] = [];
  for (const [id, run] of chosen) {
    const startedAt = performance.now();
    const status = (await runFault(id, run)) ? 'passed' : 'failed';
    const fullName = `${id}: ${FAULT_CASES[id].sentence}`;
    outcomes.push({ fullName, status, duration: performance.now() - startedAt });
  }
  if (values.results !== undefined)
    writeTestResults(values.results, import.meta.filename, outcomes);
  return outcomes.every(({ status }) => status === 'passed');
};

const main = async (): Promise<number> => {
  const chosen = listChosen();
  if (values.help || chosen.length === 0 || !(Number(values.minutes ?? 1) > 0)) {
    console.log(HELP);
    return values.help ? 0 : 2;
  }
  return (await runFaults(chosen)) ? 0 : 1;
};

process.exit(await main());
