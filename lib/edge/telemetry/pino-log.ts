import { pino, type DestinationStream } from 'pino';

import type { Log, LogFields, LogLine } from '../../contract/log.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Writes JSON lines to standard output: `{"time":"…Z","level":"info","program":"webhook","message":"…"}`
 * plus the given {@link LogFields}, which are plain values only.
 */
export const createPinoLog = (
  { program, level }: { program: string; level: LogLevel },
  destination?: DestinationStream,
): Log & { readonly setLevel: (level: LogLevel) => void } => {
  const options = {
    level,
    base: { program },
    messageKey: 'message',
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = destination === undefined ? pino(options) : pino(options, destination);
  const line =
    (name: LogLevel): LogLine =>
    (message, fields: LogFields = {}) =>
      logger[name]({ ...fields }, message);
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    setLevel: (next) => {
      logger.level = next;
    },
  };
};
