import type { Clock } from '../../lib/contract/clock.ts';
import { openLog } from '../../lib/edge/telemetry/log.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import { PACE, startAuthority } from './authority.ts';
import { openCluster } from './cluster.ts';
import { HELP, readAuthorityConfig, type AuthorityConfig } from './config.ts';
import { errorFields } from './error-fields.ts';

const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

const serve = async (config: AuthorityConfig): Promise<void> => {
  const asked = new Promise((resolve) => process.once('SIGTERM', resolve).once('SIGINT', resolve));
  const log = openLog({ program: 'authority', level: config.logLevel });
  const [cluster, output] = [openCluster(config), process.stdout];
  const edges = { cluster, log, clock, random: Math.random, pace: PACE, output };
  // Until there is a place for records nothing is under way: then there is nothing to drain.
  const authority = await Promise.race([
    startAuthority(config, edges),
    asked.then(() => undefined),
  ]);
  await asked;
  await authority?.drain();
};

const main = async (): Promise<number> => {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const config = readAuthorityConfig();
  if (config.ok) return serve(config.value).then(() => 0);
  const log = openLog({ program: 'authority', level: 'info' });
  for (const fault of config.faults) log.error('setting refused', { fault: describeFault(fault) });
  return 1;
};

const fail = (thrown: unknown): number => {
  openLog({ program: 'authority', level: 'info' }).error('authority failed', errorFields(thrown));
  return 1;
};

process.on('uncaughtException', (thrown) => process.exit(fail(thrown)));
void main()
  .catch(fail)
  .then((code) => process.exit(code));
