import { parseArgs } from 'node:util';

export type BenchOptions = {
  readonly quick: boolean;
  /** Words that the name of a measurement contains; empty: all measurements. */
  readonly only: string;
  /** Folder of bundles; undefined: they are built. */
  readonly programs: string | undefined;
  /** Streams of the simulated fleet, which is then all that is measured; undefined: none. */
  readonly fleet: number | undefined;
  /** Pods of the fleet that is restarted, which is then all that is measured; undefined: none. */
  readonly pods: number | undefined;
  /** How many of them start in a second. */
  readonly podsPerSecond: number;
  /** Also write the rows where docs/performance.md is written from. */
  readonly publish: boolean;
  readonly help: boolean;
};

/** The default of kube-scheduler's --kube-api-qps: it binds each pod with a request. */
const PODS_PER_SECOND = 50;
const MAX_START_SECONDS = 300;

export const renderUsage = (measurements: readonly string[]): string =>
  `make bench, or: node bench/main.ts [--quick] [--only WORDS] [--programs FOLDER] [--publish] [--help]
            or: node bench/main.ts --fleet STREAMS [--programs FOLDER] [--publish]
            or: node bench/main.ts --pods PODS [--pods-per-second RATE] [--programs FOLDER] [--publish]

Measure the programs against a bare Go net/http program in the same run, and print a table.
Without --only, also write bench/out/latest.json.

  --quick            measure once, for a second: does it run?
  --only WORDS       only the measurements whose name contains WORDS:
                     ${measurements.join(', ')}
  --programs FOLDER  measure the bundles in this folder, instead of building them
  --fleet STREAMS    open the event streams of so many sidecars at one authority, kill it, start it again,
                     and wait until all are back; at most 20000, only on this machine, some minutes
  --pods PODS        start so many simulated pods at one webhook and one authority, twice: at an STS with the quota
                     that AWS documents, and with half of what they ask for; at most 20000, only on this machine, some minutes
  --pods-per-second RATE
                     pods that start in a second, from 1 to 1000 (${PODS_PER_SECOND}); all must start within ${MAX_START_SECONDS} s
  --publish          also write bench/results.json, which make docs shows in docs/performance.md; with
                     --fleet bench/fleet.json, with --pods bench/pod-restart.json, which it shows in docs/sizing.md
  --help             print this help

Exit status 0: everything could be measured, whether or not a goal is met; 2: wrong options.`;

/**
 * Reads the options of the benchmark.
 *
 * @throws Error that names an unknown option, the words that no measurement has, or a number out of range
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
      pods: { type: 'string' },
      'pods-per-second': { type: 'string', default: String(PODS_PER_SECOND) },
      publish: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
    allowPositionals: false,
  });
  const { quick, only, programs, publish, help } = values;
  const fleet = parseFleet('--fleet', values.fleet);
  const pods = parseFleet('--pods', values.pods);
  const podsPerSecond = parseCount('--pods-per-second', values['pods-per-second'], 1_000);
  for (const [option, count] of Object.entries({ '--fleet': fleet, '--pods': pods })) {
    if (count !== undefined && (quick || only !== '')) {
      throw new Error(
        `${option}: expected neither --quick nor --only, because it measures nothing else`,
      );
    }
  }
  if (fleet !== undefined && pods !== undefined) {
    throw new Error('--fleet, --pods: expected one of them, because each is measured alone');
  }
  if (pods !== undefined && pods / podsPerSecond > MAX_START_SECONDS) {
    throw new Error(
      `--pods-per-second: expected at least ${Math.ceil(pods / MAX_START_SECONDS)} for ${pods} pods, because all must start within ${MAX_START_SECONDS} s`,
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
  return { quick, only, programs, fleet, pods, podsPerSecond, publish, help };
};

const MAX_FLEET = 20_000;

const parseFleet = (option: string, given: string | undefined): number | undefined =>
  given === undefined ? undefined : parseCount(option, given, MAX_FLEET);

const parseCount = (option: string, given: string, max: number): number => {
  const count = /^[1-9]\d{0,5}$/.test(given) ? Number(given) : NaN;
  if (count <= max) return count;
  throw new Error(`${option}: expected a number from 1 to ${max}; found ${JSON.stringify(given)}`);
};
