import { parseArgs } from 'node:util';
import { PROPERTIES } from './properties.ts';
import type { Property, Trial } from './property.ts';

const HELP = `Tries every property with new inputs, again and again, and ends at the first that does not hold.

  node fuzz/main.ts [options]

  --minutes N        for so long (1 unless given)
  --only TEXT        only properties whose name contains it
  --seed N --path P  the very inputs of a failure, as it printed them; with --only
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    seed: { type: 'string' },
    path: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const chosen = PROPERTIES.filter(({ name }) => name.includes(values.only));
const totalRuns = new Map(chosen.map(({ name }) => [name, 0]));

const checkOnce = async ({ name, check, runs }: Property, again: Partial<Trial>): Promise<void> => {
  await check({ runs, ...again });
  totalRuns.set(name, (totalRuns.get(name) ?? 0) + runs);
};

const again: Partial<Trial> = {
  ...(values.seed !== undefined && { seed: Number(values.seed) }),
  ...(values.path !== undefined && { path: values.path }),
};

const runFuzzing = async (): Promise<void> => {
  const end = performance.now() + Number(values.minutes) * 60_000;
  do {
    for (const one of chosen) await checkOnce(one, again);
  } while (performance.now() < end && values.seed === undefined);
};

const main = async (): Promise<number> => {
  if (values.help || chosen.length === 0 || !(Number(values.minutes) > 0)) {
    console.log(HELP);
    return values.help ? 0 : 2;
  }
  try {
    await runFuzzing();
    return 0;
  } catch (error) {
    const { message, cause } = error as Error;
    console.error(message, cause ?? '');
    return 1;
  } finally {
    for (const { close } of chosen) await close?.();
    for (const [name, count] of totalRuns) console.log(`${`${count}`.padStart(9)}  ${name}`);
  }
};

process.exit(await main());
