import type { LogFields } from '../../lib/contract/log.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { toErrorLogFields } from '../../lib/schema/error-log-fields.ts';

/** What a log line may tell of an error: its code and words where it is of a call to the API server. */
export const toErrorFields = (error: unknown): LogFields =>
  error instanceof KubernetesError
    ? { code: error.code, error: error.message }
    : toErrorLogFields(error);
