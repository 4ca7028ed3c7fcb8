import type { Clock } from '../../lib/contract/clock.ts';
import { createPinoLog } from '../../lib/edge/telemetry/pino-log.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { DEFAULT_TIMINGS, startAuthority } from './authority.ts';
import { createClusterClient } from './cluster.ts';
import { HELP, readAuthorityConfig, type AuthorityConfig } from './config.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';

const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

const serve = async (config: AuthorityConfig): Promise<void> => {
  const stopRequested = new Promise((resolve) =>
    process.once('SIGTERM', resolve).once('SIGINT', resolve),
  );
  const log = createPinoLog({ program: 'authority', level: config.logLevel });
  const [cluster, output] = [createClusterClient(config), process.stdout];
  const deps = { cluster, log, clock, random: Math.random, timings: DEFAULT_TIMINGS, output };
  // Until there is a place for records nothing is under way: then there is nothing to drain.
  const authority = await Promise.race([
    startAuthority(config, deps),
    stopRequested.then(() => undefined),
  ]);
  await stopRequested;
  await authority?.drain();
};

const main = async (): Promise<number> => {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const config = readAuthorityConfig();
  if (config.ok) return serve(config.value).then(() => 0);
  const log = createPinoLog({ program: 'authority', level: 'info' });
  for (const fault of config.faults)
    log.error('setting refused', { fault: formatFieldError(fault) });
  return 1;
};

const logFailure = (thrown: unknown): number => {
  createPinoLog({ program: 'authority', level: 'info' }).error(
    'authority failed',
    toErrorFields(thrown),
  );
  return 1;
};

process.on('uncaughtException', (thrown) => process.exit(logFailure(thrown)));
void main()
  .catch(logFailure)
  .then((code) => process.exit(code));
