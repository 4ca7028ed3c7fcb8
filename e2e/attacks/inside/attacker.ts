import { flooding } from './flooding.ts';
import { meter } from './metering.ts';
import { reaching } from './reaching.ts';
import { requesting } from './requesting.ts';
import { squat } from './squatting.ts';

/**
 * A hostile process in a consumer, and its honest neighbour's measure. Prints JSON.
 *
 *   reach | request        every attempt → what came of it
 *   flood NAME MS          one flood for so long
 *   squat MS               takes the loopback port, collects, replays
 *   meter MS               how an honest consumer is served meanwhile
 */
const [command = '', ...args] = process.argv.slice(2);

const each = async (
  attempts: Record<string, () => string | Promise<string>>,
): Promise<Record<string, string>> => {
  const outcomes: Record<string, string> = {};
  for (const [name, attempt] of Object.entries(attempts)) outcomes[name] = await attempt();
  return outcomes;
};

const perform = (): Promise<unknown> => {
  switch (command) {
    case 'reach':
      return each(reaching);
    case 'request':
      return each(requesting);
    case 'flood':
      return (
        flooding[args[0] ?? '']?.(Number(args[1])) ?? Promise.reject(new Error('which flood?'))
      );
    case 'squat':
      return squat(Number(args[0]));
    case 'meter':
      return meter(Number(args[0]));
    default:
      return Promise.reject(new Error(`unknown command ${command}`));
  }
};

process.stdout.write(JSON.stringify(await perform()));
