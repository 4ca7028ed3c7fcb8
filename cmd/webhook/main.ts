import type { Clock } from '../../lib/contract/clock.ts';
import { runProgram } from '../../lib/server/program.ts';
import { createClusterClient } from './cluster.ts';
import { HELP, readWebhookConfig } from './config.ts';
import { DEFAULT_TIMINGS, startWebhook } from './webhook.ts';

const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

void runProgram({
  name: 'webhook',
  help: HELP,
  readConfig: readWebhookConfig,
  start: (config, log) => {
    const cluster = config.cluster === 'none' ? undefined : createClusterClient(config);
    const { random } = Math;
    return startWebhook(config, { cluster, log, clock, random, timings: DEFAULT_TIMINGS });
  },
});
