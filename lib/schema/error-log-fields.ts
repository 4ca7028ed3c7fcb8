import type { LogFields } from '../contract/log.ts';
import { LoggableError } from './loggable-error.ts';

/** Enough stack frames to find the line. */
const MAX_FRAMES = 8;

/**
 * Log fields of any error. The message is logged only of a {@link LoggableError}; of another error, its
 * name and stack frames. Its message, which may span lines that look like frames, could quote a pod, a
 * token or a key.
 */
export const toErrorLogFields = (error: unknown): LogFields => {
  if (error instanceof LoggableError) return { error: error.message };
  if (!(error instanceof Error)) return { error: typeof error };
  const stack = (error.stack ?? '').replace(error.message, '');
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return { error: error.name, at: frames.slice(0, MAX_FRAMES).map((line) => line.trim()) };
};
