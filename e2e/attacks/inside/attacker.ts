import { FLOODS } from './flood-attempts.ts';
import { attackGateway, readSeeds } from './gateway-attempts.ts';
import { measureServing } from './serving-meter.ts';
import { ISOLATION_ATTEMPTS } from './isolation-attempts.ts';
import { REQUEST_ATTEMPTS } from './request-attempts.ts';
import { squatPort } from './port-squatting.ts';

/**
 * A hostile process in a consumer, and a meter in its neighbor. Prints JSON.
 *
 *   reach | request        run every attempt → its outcome
 *   gateway ID             the same at the gateway; ID: the access key of another consumer
 *   flood NAME MS          run one flood for MS milliseconds
 *   squat MS               occupy the loopback port, collect tokens, replay them
 *   meter MS               measure how a consumer is served at the same time
 */
const [command = '', ...args] = process.argv.slice(2);

const runAttempts = async (
  attempts: Record<string, () => string | Promise<string>>,
): Promise<Record<string, string>> => {
  const outcomes: Record<string, string> = {};
  for (const [name, attempt] of Object.entries(attempts)) outcomes[name] = await attempt();
  return outcomes;
};

const runCommand = (): Promise<unknown> => {
  switch (command) {
    case 'reach':
      return runAttempts(ISOLATION_ATTEMPTS);
    case 'request':
      return runAttempts(REQUEST_ATTEMPTS);
    case 'gateway':
      return attackGateway(args[0] ?? '').then((outcomes) => ({
        ...outcomes,
        'read the seeds of local keys': readSeeds(),
      }));
    case 'flood':
      return (
        FLOODS[args[0] ?? '']?.(Number(args[1])) ??
        Promise.reject(new Error('flood: expected a known name'))
      );
    case 'squat':
      return squatPort(Number(args[0]));
    case 'meter':
      return measureServing(Number(args[0]));
    default:
      return Promise.reject(new Error(`unknown command ${command}`));
  }
};

process.stdout.write(JSON.stringify(await runCommand()));
