import { AuditError } from '../../lib/audit/record.ts';
import type { LogFields } from '../../lib/contract/log.ts';
import { ExchangeError } from '../../lib/credentials/exchange.ts';
import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { foreignErrorFields } from '../../lib/reading/foreign-error.ts';

/** What a log line may tell of an error: its code where it is one of ours. */
export const errorFields = (error: unknown): LogFields => {
  if (error instanceof KubernetesError) return { code: error.code, error: error.message };
  if (error instanceof AuditError || error instanceof ExchangeError)
    return { code: error.code, error: error.name };
  return foreignErrorFields(error);
};
