import type { Clock } from '../../lib/contract/clock.ts';
import { runProgram } from '../../lib/server/program.ts';
import { DEFAULT_TIMINGS, startAuthority } from './authority.ts';
import { createClusterClient } from './cluster.ts';
import { HELP, readAuthorityConfig } from './config.ts';

const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

void runProgram({
  name: 'authority',
  help: HELP,
  readConfig: readAuthorityConfig,
  start: (config, log) =>
    startAuthority(config, {
      cluster: createClusterClient(config),
      log,
      clock,
      random: Math.random,
      timings: DEFAULT_TIMINGS,
      output: process.stdout,
    }),
});
