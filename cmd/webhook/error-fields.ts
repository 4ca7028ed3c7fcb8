import type { LogFields } from '../../lib/contract/log.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { StatedError } from '../../lib/reading/stated-error.ts';

/** Frames enough to find the line. */
const MAX_FRAMES = 8;

/**
 * What a log line may tell of an error: the code of a call to the API server, or where in our code
 * it happened. Never a foreign message: it could quote a pod or a key.
 */
export const errorFields = (error: unknown): LogFields => {
  if (error instanceof KubernetesError) return { code: error.code, error: error.message };
  if (error instanceof StatedError) return { error: error.message };
  if (!(error instanceof Error)) return { error: typeof error };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { error: error.name, at: frames.slice(0, MAX_FRAMES).map((line) => line.trim()) };
};
