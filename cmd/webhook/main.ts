import type { Clock } from '../../lib/contract/clock.ts';
import { openLog } from '../../lib/edge/telemetry/log.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import { openCluster } from './cluster.ts';
import { HELP, readWebhookConfig, type WebhookConfig } from './config.ts';
import { errorFields } from './error-fields.ts';
import { PACE, startWebhook } from './webhook.ts';

const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

const serve = async (config: WebhookConfig): Promise<void> => {
  const asked = new Promise((resolve) => process.once('SIGTERM', resolve).once('SIGINT', resolve));
  const log = openLog({ program: 'webhook', level: config.logLevel });
  const cluster = config.cluster === 'none' ? undefined : openCluster(config);
  const edges = { cluster, log, clock, random: Math.random, pace: PACE };
  const webhook = await startWebhook(config, edges);
  await asked;
  await webhook.drain();
};

const main = async (): Promise<number> => {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const config = readWebhookConfig();
  if (config.ok) return serve(config.value).then(() => 0);
  const log = openLog({ program: 'webhook', level: 'info' });
  for (const fault of config.faults) log.error('setting refused', { fault: describeFault(fault) });
  return 1;
};

const fail = (thrown: unknown): number => {
  openLog({ program: 'webhook', level: 'info' }).error('webhook failed', errorFields(thrown));
  return 1;
};

process.on('uncaughtException', (thrown) => process.exit(fail(thrown)));
void main()
  .catch(fail)
  .then((code) => process.exit(code));
