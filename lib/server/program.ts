import type { Log } from '../contract/log.ts';
import { createPinoLog, type LogLevel } from '../edge/telemetry/pino-log.ts';
import { formatFieldError, type Result } from '../schema/field-error.ts';
import { toErrorFields } from './error-fields.ts';
import type { RunningServer } from './lifecycle.ts';
import { startLogLevelReload } from './log-level.ts';

type LogConfig = { readonly logLevel: LogLevel; readonly logLevelFile: string };

export type ProgramDeps<Config> = {
  readonly name: Parameters<typeof createPinoLog>[0]['program'];
  readonly help: string;
  readonly readConfig: () => Result<Config>;
  readonly start: (config: Config, log: Log) => Promise<RunningServer>;
};

/**
 * Runs a server until SIGTERM or SIGINT, and shuts it down; `--help` prints the settings.
 *
 * @returns never; the process exits with 0, or with 1 if a setting is invalid or an error was thrown
 */
export const runProgram = async <Config extends LogConfig>(
  deps: ProgramDeps<Config>,
): Promise<never> => {
  const exitWithError = (error: unknown): never => {
    const log = createPinoLog({ program: deps.name, level: 'info' });
    log.error('program failed', toErrorFields(error));
    process.exit(1);
  };
  process.on('uncaughtException', exitWithError);
  return run(deps).then((code) => process.exit(code), exitWithError);
};

const run = async <Config extends LogConfig>({
  name,
  help,
  readConfig,
  start,
}: ProgramDeps<Config>): Promise<number> => {
  if (process.argv.includes('--help')) {
    process.stdout.write(help);
    return 0;
  }
  const config = readConfig();
  if (!config.ok) {
    const log = createPinoLog({ program: name, level: 'info' });
    for (const fault of config.faults)
      log.error('invalid setting', { fault: formatFieldError(fault) });
    return 1;
  }
  const stopRequested = new Promise<undefined>((resolve) => {
    const stop = (): void => resolve(undefined);
    process.once('SIGTERM', stop).once('SIGINT', stop);
  });
  const { logLevel: level, logLevelFile: file } = config.value;
  const log = createPinoLog({ program: name, level });
  if (file !== '') {
    startLogLevelReload({ file, otherwise: level }, { log, setLevel: log.setLevel });
  }
  // A program that has not started serves no request, so there is nothing to drain.
  const server = await Promise.race([start(config.value, log), stopRequested]);
  await stopRequested;
  await server?.drain();
  return 0;
};
