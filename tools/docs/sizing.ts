/** Prints the table of docs/sizing.md for other sizes and assumptions: `--help` prints the options. */
import { parseArgs } from 'node:util';
import {
  buildAssumptions,
  readChartDefaults,
  readUnitCosts,
  SIZES,
  toBytes,
  type Assumptions,
} from './sizing-model.ts';
import { renderSizingTable } from './sizing-tables.ts';

const USAGE = `node tools/docs/sizing.ts [--pods N] [--lifetime SECONDS] [--tasks N] [--created SHARE] [--calls N] [--memory QUANTITY]

Print the table of docs/sizing.md for other assumptions.

  --pods N            pods with a sidecar (default: ${SIZES.join(', ')}); may be repeated
  --lifetime SECONDS  lifetime of a run (600)
  --tasks N           tasks of a pod that are in use all the time (1)
  --created SHARE     pods created in an hour, as a share of the pods that run (1)
  --calls N           calls of a pod in a minute, with delivery sign (6)
  --memory QUANTITY   memory limit of an authority replica (the chart's)`;

const runProgram = (args: readonly string[]): void => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      pods: { type: 'string', multiple: true },
      lifetime: { type: 'string' },
      tasks: { type: 'string' },
      created: { type: 'string' },
      calls: { type: 'string' },
      memory: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const chart = readChartDefaults();
  const defaults = buildAssumptions(chart);
  const assumptions: Assumptions = {
    ...defaults,
    lifetimeSeconds: toPositive('--lifetime', values.lifetime, defaults.lifetimeSeconds),
    tasksPerPod: toPositive('--tasks', values.tasks, defaults.tasksPerPod),
    createdPerHour: toPositive('--created', values.created, defaults.createdPerHour),
    callsPerMinute: toPositive('--calls', values.calls, defaults.callsPerMinute),
    memoryLimit: values.memory === undefined ? defaults.memoryLimit : toBytes(values.memory),
  };
  const pods = values.pods?.map((text) => Math.ceil(toPositive('--pods', text, 1)));
  console.log(renderSizingTable(pods ?? SIZES, assumptions, { costs: readUnitCosts(), chart }));
};

/** @throws Error for a text that is no positive number */
const toPositive = (option: string, text: string | undefined, otherwise: number): number => {
  const value = text === undefined ? otherwise : Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`${option}: expected a positive number, found ${JSON.stringify(text)}`);
};

try {
  runProgram(process.argv.slice(2));
} catch (thrown) {
  console.error(`${(thrown as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
