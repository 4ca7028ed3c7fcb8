import type { Log, LogFields, LogLine } from '../../contract/log.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type SidecarLogLevel = (typeof LEVELS)[number];

/**
 * Writes the same JSON lines as `createPinoLog` without pino, whose memory and startup time
 * every agent pod would pay: `{"time":"…Z","level":"info","program":"sidecar","message":"…"}`.
 *
 * @param options.write receives one line with its line break
 */
export const createSidecarLog = ({
  level,
  now,
  write,
}: {
  level: SidecarLogLevel;
  now: () => number;
  write: (line: string) => void;
}): Log => {
  const line =
    (name: SidecarLogLevel): LogLine =>
    (message, fields: LogFields = {}) => {
      if (LEVELS.indexOf(name) < LEVELS.indexOf(level)) return;
      const head = { time: new Date(now()).toISOString(), level: name, program: 'sidecar' };
      write(`${JSON.stringify({ ...head, ...fields, message })}\n`);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
};
