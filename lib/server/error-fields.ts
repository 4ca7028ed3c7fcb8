import { AuditError } from '../audit/audit-event.ts';
import type { LogFields } from '../contract/log.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { KubernetesError } from '../edge/kubernetes/kubernetes-error.ts';
import { toErrorLogFields } from '../schema/error-log-fields.ts';

/** What a log line may tell of an error: its code where it is one of ours. */
export const toErrorFields = (error: unknown): LogFields => {
  if (error instanceof KubernetesError) return { code: error.code, error: error.message };
  if (error instanceof AuditError || error instanceof ExchangeError)
    return { code: error.code, error: error.name };
  return toErrorLogFields(error);
};
