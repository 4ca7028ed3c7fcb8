import { parseArgs } from 'node:util';

export type BenchOptions = {
  readonly quick: boolean;
  /** Words that the name of a measurement contains; empty: all measurements. */
  readonly only: string;
  /** Folder of bundles; undefined: they are built. */
  readonly programs: string | undefined;
  /** Streams of the simulated fleet, which is then all that is measured; undefined: none. */
  readonly fleet: number | undefined;
  /** Also write the rows where docs/performance.md is written from. */
  readonly publish: boolean;
  readonly help: boolean;
};

export const renderUsage = (measurements: readonly string[]): string =>
  `make bench, or: node bench/main.ts [--quick] [--only WORDS] [--programs FOLDER] [--publish] [--help]
            or: node bench/main.ts --fleet STREAMS [--programs FOLDER] [--publish]

Measure the programs against a bare Go net/http program in the same run, and print a table.
Without --only, also write bench/out/latest.json.

  --quick            measure once, for a second: does it run?
  --only WORDS       only the measurements whose name contains WORDS:
                     ${measurements.join(', ')}
  --programs FOLDER  measure the bundles in this folder, instead of building them
  --fleet STREAMS    open the event streams of so many sidecars at one authority, kill it, start it again,
                     and wait until all are back; at most 20000, only on this machine, some minutes
  --publish          also write bench/results.json, which make docs shows in docs/performance.md; with
                     --fleet bench/fleet.json, which it shows in docs/sizing.md
  --help             print this help

Exit status 0: everything could be measured, whether or not a goal is met; 2: wrong options.`;

/**
 * Reads the options of the benchmark.
 *
 * @throws Error that names an unknown option, the words that no measurement has, or a number of streams out of range
 */
export const parseOptions = (
  args: readonly string[],
  measurements: readonly string[],
): BenchOptions => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      programs: { type: 'string' },
      fleet: { type: 'string' },
      publish: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
    allowPositionals: false,
  });
  const { quick, only, programs, publish, help } = values;
  const fleet = values.fleet === undefined ? undefined : parseFleet(values.fleet);
  if (fleet !== undefined && (quick || only !== '')) {
    throw new Error(
      '--fleet: expected neither --quick nor --only, because it measures nothing else',
    );
  }
  if (publish && (quick || only !== '')) {
    throw new Error(
      '--publish: expected neither --quick nor --only, because a whole run is published',
    );
  }
  if (!measurements.some((name) => name.includes(only))) {
    throw new Error(
      `--only: expected words of one of ${measurements.join(', ')}; found ${JSON.stringify(only)}`,
    );
  }
  return { quick, only, programs, fleet, publish, help };
};

const MAX_FLEET = 20_000;

const parseFleet = (given: string): number => {
  const streams = /^[1-9]\d{0,5}$/.test(given) ? Number(given) : NaN;
  if (streams <= MAX_FLEET) return streams;
  throw new Error(
    `--fleet: expected a number from 1 to ${MAX_FLEET}; found ${JSON.stringify(given)}`,
  );
};
