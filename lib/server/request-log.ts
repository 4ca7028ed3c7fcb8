import { getRequestId } from '../async/request-context.ts';
import type { Log, LogLine } from '../contract/log.ts';

/** Wraps a log: lines in the course of a request have its ID in the field `request`. */
export const createRequestLog = (log: Log): Log => {
  const line =
    (write: LogLine): LogLine =>
    (message, fields) => {
      const request = getRequestId();
      write(message, request === undefined ? fields : { request, ...fields });
    };
  return {
    debug: line(log.debug),
    info: line(log.info),
    warn: line(log.warn),
    error: line(log.error),
  };
};
