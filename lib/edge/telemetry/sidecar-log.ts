import type { Log, LogFields, LogLine } from '../../contract/log.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type SidecarLogLevel = (typeof LEVELS)[number];

/**
 * The lines that the other programs write by pino, without pino: in every agent pod its memory and
 * its start would be paid again. `{"time":"…Z","level":"info","program":"sidecar","message":"…"}`.
 *
 * @param write takes one line, its end included
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
