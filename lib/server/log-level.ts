import { readFile } from 'node:fs/promises';

import { startReconcileLoop, type ReconcileLoop } from '../async/reconcile-loop.ts';
import type { Log } from '../contract/log.ts';
import { LOG_LEVELS, type LogLevel } from '../edge/telemetry/pino-log.ts';
import { formatFieldError, formatValue } from '../schema/field-error.ts';

/** A kubelet updates a mounted ConfigMap about once a minute. */
const EVERY_MS = 5_000;
/** Of the file; a level and a line break are shorter. */
const MAX_SHOWN = 32;

export type LogLevelReloadOptions = {
  /** Holds one level; absent or empty: `otherwise` applies. */
  readonly file: string;
  readonly otherwise: LogLevel;
  readonly everyMs?: number;
};

/**
 * Applies the level that a file holds, now and when the file changes: only users who may change the
 * ConfigMap behind it change the level. An invalid level is logged once, and the current one stays.
 */
export const startLogLevelReload = (
  { file, otherwise, everyMs = EVERY_MS }: LogLevelReloadOptions,
  { log, setLevel }: { readonly log: Log; readonly setLevel: (level: LogLevel) => void },
): ReconcileLoop => {
  let level = otherwise;
  let invalid: string | undefined;
  const apply = (found: LogLevel): void => {
    if (found === level) return;
    // Of both levels, the more verbose one shows the line.
    const isMore = LOG_LEVELS.indexOf(found) < LOG_LEVELS.indexOf(level);
    if (isMore) setLevel(found);
    log.info('log level changed', { from: level, to: found });
    setLevel(found);
    level = found;
  };
  return startReconcileLoop({
    reconcile: async () => {
      const text = await readText(file);
      const found = text === '' ? otherwise : LOG_LEVELS.find((each) => each === text);
      if (found !== undefined) apply(found);
      else if (text !== invalid) {
        const got = formatValue(text.slice(0, MAX_SHOWN));
        const fault = { path: file, expected: LOG_LEVELS.join(', '), got };
        log.warn('invalid log level', { fault: formatFieldError(fault) });
      }
      invalid = found === undefined ? text : undefined;
      return everyMs;
    },
    onFailure: () => undefined,
    retry: { firstMs: everyMs, maxMs: everyMs },
    random: () => 0.5,
    schedule: (delayMs, action) => {
      const timer = setTimeout(action, delayMs).unref();
      return () => clearTimeout(timer);
    },
  });
};

/** @returns an empty text for a file that is absent or cannot be read */
const readText = async (file: string): Promise<string> =>
  (await readFile(file, 'utf8').catch(() => '')).trim();
