import type { ServerResponse } from 'node:http';
import type { CallRun } from '../../calls/call-runs.ts';

/** Aborted when the run ends, or the client closes its connection before the response is complete. */
export const watchEnds = (
  { signal }: Pick<CallRun, 'signal'>,
  outgoing: ServerResponse,
): AbortSignal => {
  const call = new AbortController();
  const onEnd = (): void => call.abort(signal.reason);
  const onClose = (): void => {
    if (!outgoing.writableFinished) call.abort();
  };
  if (signal.aborted) onEnd();
  else signal.addEventListener('abort', onEnd, { once: true });
  if (outgoing.destroyed) onClose();
  else outgoing.once('close', onClose);
  return call.signal;
};
