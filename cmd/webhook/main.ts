import type { Clock } from '../../lib/contract/clock.ts';
import { createPinoLog } from '../../lib/edge/telemetry/pino-log.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { createClusterClient } from './cluster.ts';
import { HELP, readWebhookConfig, type WebhookConfig } from './config.ts';
import { toErrorFields } from './error-fields.ts';
import { DEFAULT_TIMINGS, startWebhook } from './webhook.ts';

const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

const serve = async (config: WebhookConfig): Promise<void> => {
  const stopRequested = new Promise((resolve) =>
    process.once('SIGTERM', resolve).once('SIGINT', resolve),
  );
  const log = createPinoLog({ program: 'webhook', level: config.logLevel });
  const cluster = config.cluster === 'none' ? undefined : createClusterClient(config);
  const deps = { cluster, log, clock, random: Math.random, timings: DEFAULT_TIMINGS };
  const webhook = await startWebhook(config, deps);
  await stopRequested;
  await webhook.drain();
};

const main = async (): Promise<number> => {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const config = readWebhookConfig();
  if (config.ok) return serve(config.value).then(() => 0);
  const log = createPinoLog({ program: 'webhook', level: 'info' });
  for (const fault of config.faults)
    log.error('setting refused', { fault: formatFieldError(fault) });
  return 1;
};

const logFailure = (thrown: unknown): number => {
  createPinoLog({ program: 'webhook', level: 'info' }).error(
    'webhook failed',
    toErrorFields(thrown),
  );
  return 1;
};

process.on('uncaughtException', (thrown) => process.exit(logFailure(thrown)));
void main()
  .catch(logFailure)
  .then((code) => process.exit(code));
