import type { LogFields } from '../contract/log.ts';
import { LoggableError } from './loggable-error.ts';

/** Frames enough to find the line. */
const MAX_FRAMES = 8;

/**
 * What a log line may tell of an error that may be anybody's: ours from end to end, or where in our
 * code it happened. Never a foreign message, nor a line of one that looks like a frame: it could quote
 * a pod, a token or a key.
 */
export const toErrorLogFields = (error: unknown): LogFields => {
  if (error instanceof LoggableError) return { error: error.message };
  if (!(error instanceof Error)) return { error: typeof error };
  const stack = (error.stack ?? '').replace(error.message, '');
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return { error: error.name, at: frames.slice(0, MAX_FRAMES).map((line) => line.trim()) };
};
