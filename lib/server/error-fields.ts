import { randomUUID } from 'node:crypto';

import { getRequestId } from '../async/request-context.ts';
import { AuditError } from '../audit/audit-event.ts';
import type { Log, LogFields } from '../contract/log.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { KubernetesError } from '../edge/kubernetes/kubernetes-error.ts';
import { toErrorLogFields } from '../schema/error-log-fields.ts';

/** The fields of an error that a log line may contain. */
export const toErrorFields = (error: unknown): LogFields => {
  if (error instanceof KubernetesError) return { code: error.code, error: error.message };
  if (error instanceof AuditError || error instanceof ExchangeError)
    return { code: error.code, error: error.name };
  return toErrorLogFields(error);
};

/**
 * Logs an internal error and returns an ID, which a response may contain, to find its line: that of the
 * request, if there is one.
 */
export type ReportInternalError = (error: unknown) => string;

export const createInternalErrorReporter =
  (log: Log): ReportInternalError =>
  (error) => {
    const id = getRequestId() ?? randomUUID();
    log.error('internal error', { id, ...toErrorFields(error) });
    return id;
  };
