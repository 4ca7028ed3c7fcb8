import { startTracing } from '../../lib/edge/telemetry/tracing.ts';
import { createSidecarLog } from '../../lib/edge/telemetry/sidecar-log.ts';
import { ListenError } from '../../lib/edge/http/local-listener.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { BudgetFileError } from './budget-file.ts';
import { HELP, readOwnConfig, type SidecarConfig } from './config.ts';
import { createCredentialSource } from './credential-source.ts';
import { SeedFileError } from './seed-file.ts';
import { startSidecar } from './sidecar.ts';
import { clock, schedule } from './system-clock.ts';

const log = createSidecarLog({
  level: 'info',
  now: clock.now,
  write: (line) => process.stdout.write(line),
});

/** The kubelet may leave 2 s after SIGTERM; most consumers have exited by then. */
const DRAIN_MS = 500;
/** Spans that no collector takes by then are dropped: the exporter itself would repeat for 5 s. */
const LAST_SPANS_MS = 400;

const serve = async (config: SidecarConfig): Promise<void> => {
  const terminated = new Promise((resolve) =>
    process.once('SIGTERM', resolve).once('SIGINT', resolve),
  );
  const tracing = await startTracing({
    endpoint: config.tracingEndpoint,
    samplerRatio: config.tracingSamplerRatio,
    program: 'sidecar',
  });
  const sidecar = await startSidecar({
    config,
    log,
    clock,
    schedule,
    write: (text, done) => void process.stdout.write(text, done),
    drainMs: DRAIN_MS,
    tracing,
    createCredentialSource: (metrics) =>
      createCredentialSource(config, {
        metrics,
        log,
        clock,
        schedule,
        random: Math.random,
        getTraceHeaders: tracing.headers,
      }),
  });
  await terminated;
  await sidecar.stop();
  const late = new Promise<void>((resolve) => void schedule(LAST_SPANS_MS, resolve));
  await Promise.race([tracing.stop(), late]);
};

const main = async (): Promise<number> => {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const config = readOwnConfig();
  if (config.ok) return serve(config.value).then(() => 0);
  for (const fault of config.faults)
    log.error('setting refused', { fault: formatFieldError(fault) });
  return 1;
};

const OWN_ERRORS = [ListenError, SeedFileError, BudgetFileError];

/** Only the sidecar's own messages are logged. Other errors could quote a secret: log where they came from. */
const logFailure = (thrown: unknown): number => {
  const { name, message, stack = '' } = thrown instanceof Error ? thrown : new Error();
  const at = stack.split('\n').filter((line) => line.startsWith('    at '));
  const isOwn = OWN_ERRORS.some((each) => thrown instanceof each);
  log.error('sidecar failed', isOwn ? { fault: message } : { name, at });
  return 1;
};

process.on('uncaughtException', (thrown) => process.exit(logFailure(thrown)));
void main()
  .catch(logFailure)
  .then((code) => process.exit(code));
