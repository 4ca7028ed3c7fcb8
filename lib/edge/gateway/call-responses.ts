import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { selectResponseHeaders } from '../../calls/call-headers.ts';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import type { CallMeter } from '../../calls/call-runs.ts';
import {
  chooseErrorFormat,
  renderRefusal,
  type RenderedRefusal,
} from '../../calls/refusal-rendering.ts';
import { refuse } from './refused-call.ts';

/** How much of a refused body is still read, and for how long, so that the client reads the refusal. */
const MAX_LINGER_BYTES = 4 * 1024 * 1024;
const LINGER_MS = 2_000;

/**
 * Ends a response whose request was not read to its end. A connection that is closed with unread bytes
 * is reset, and the client would lose the refusal; more than a small body is not read.
 */
const endAfterBody = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
  let left = MAX_LINGER_BYTES;
  const end = (): void => {
    clearTimeout(timer);
    outgoing.end();
  };
  const timer = setTimeout(end, LINGER_MS).unref();
  incoming.on('data', ({ length }: Buffer) => {
    left -= length;
    if (left < 0) end();
  });
  incoming.once('end', end);
  incoming.once('error', end);
  outgoing.once('close', end);
  // It was paused if it was read in part before it was refused.
  incoming.resume();
};

/**
 * Asks a client that waits to send its body. While an earlier response of the connection is not
 * sent, Node would put this after the head of our response: it waits for the connection.
 */
export const sendContinue = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
  if (incoming.headers.expect === undefined || incoming.httpVersion === '1.0') return;
  if (outgoing.socket !== null) {
    outgoing.writeContinue();
    return;
  }
  outgoing.once('socket', () => {
    if (!outgoing.headersSent) outgoing.writeContinue();
  });
};

/** Sends a refusal in the format of the caller's protocol. @returns its status */
export const respondRefused = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { id, refusal }: { id: string; refusal: CallRefusal },
): number => {
  const format = chooseErrorFormat(incoming.headers, incoming.url);
  const isHead = incoming.method === 'HEAD';
  return sendRefusal(incoming, outgoing, renderRefusal(refusal, { format, requestId: id, isHead }));
};

/** Sends a rendered refusal. @returns its status */
export const sendRefusal = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { status, headers, body }: RenderedRefusal,
): number => {
  const isRead = incoming.complete;
  outgoing.writeHead(status, {
    ...headers,
    // The rest of a body that was not read must not be taken for another request.
    ...(!isRead && { connection: 'close' }),
    'content-length': body.length,
  });
  // A client that waits for `100 Continue` sends no body after another response.
  if (isRead || incoming.headers.expect !== undefined) outgoing.end(body);
  else {
    if (body.length > 0) outgoing.write(body);
    else outgoing.flushHeaders();
    endAfterBody(incoming, outgoing);
  }
  return status;
};

/** A response of the cloud. */
export type CloudResponse = CloudResponseHead & { readonly body: Readable };

export type CloudResponseHead = {
  readonly status: number;
  readonly headers: Parameters<typeof selectResponseHeaders>[0];
};

/** Gets a response of the cloud piece by piece. */
export type ResponseReceiver = {
  /** What it throws aborts the request, and comes back by `onError`. */
  readonly onHead: (status: number, headers: CloudResponseHead['headers']) => void;
  /** @returns false: no more until `resume` is called */
  readonly onData: (chunk: Buffer) => boolean;
  readonly onEnd: () => void;
  /** Not called after `abort`. */
  readonly onError: (error: unknown) => void;
};

/** A request that was sent to a cloud. */
export type Forwarding = {
  readonly abort: (reason: Error) => void;
  readonly resume: () => void;
};

/** Enough of an error for its code. */
const MAX_ERROR_BYTES = 4 * 1024;

const EXPIRED = 'ExpiredToken';

const ignore = (): void => undefined;

/**
 * Searches the beginning of an error response for its code.
 *
 * @returns a function that takes each piece of the body
 */
const watchExpired = (
  { status, headers }: CloudResponseHead,
  onExpired: () => void,
): ((chunk: Buffer) => void) => {
  if (status !== 400 && status !== 403) return ignore;
  let isExpired = false;
  let head = '';
  const search = (text: string): void => {
    if (isExpired || !text.includes(EXPIRED)) return;
    isExpired = true;
    onExpired();
  };
  search(String(headers['x-amzn-errortype']));
  return (chunk) => {
    if (head.length >= MAX_ERROR_BYTES) return;
    head += chunk.toString('latin1', 0, MAX_ERROR_BYTES);
    search(head);
  };
};

const refuseRedirect = ({ status, headers }: CloudResponseHead): void => {
  if (status >= 300 && status < 400 && headers['location'] !== undefined) {
    refuse('redirect_refused', `the cloud answered ${status} with another location`);
  }
};

/**
 * Writes a response to the client as it arrives, as fast as the client reads.
 *
 * @param resume asks for more after `onData` returned false
 */
const createReceiver = (
  outgoing: ServerResponse,
  {
    onExpired,
    meter,
    resume,
  }: { onExpired: () => void; meter: CallMeter | undefined; resume: () => void },
): Omit<ResponseReceiver, 'onError'> => {
  let watch = ignore as (chunk: Buffer) => void;
  /** Bytes to come; NaN if their number is not known. */
  let left = NaN;
  return {
    onHead: (status, headers) => {
      const head = { status, headers };
      refuseRedirect(head);
      left = Number(headers['content-length'] ?? NaN);
      outgoing.writeHead(status, selectResponseHeaders(headers));
      watch = watchExpired(head, onExpired);
    },
    onData: (chunk) => {
      // Above the budget the run has ended, and its signal has aborted the request.
      if (meter?.takeBytes(chunk.length) === false) return false;
      watch(chunk);
      left -= chunk.length;
      // The last piece goes out with the end.
      if (left === 0) outgoing.end(chunk);
      else if (!outgoing.write(chunk)) {
        outgoing.once('drain', resume);
        return false;
      }
      return true;
    },
    onEnd: () => {
      if (!outgoing.writableEnded) outgoing.end();
    },
  };
};

/**
 * Sends a request, and passes the response of the cloud to the client.
 *
 * @param forward sends it
 * @param signal the run's: its reason ends the call
 * @param meter counts the body for the budget of the run
 * @param onExpired is called if the cloud says that the keys have expired
 * @returns the status; rejects with a refusal, with what the cloud's connection or the body of the request
 *   threw, with the reason of the signal, or because the client closed its connection
 */
export const passResponse = (
  forward: (receiver: ResponseReceiver) => Forwarding,
  outgoing: ServerResponse,
  {
    signal,
    onExpired,
    meter,
  }: { signal: AbortSignal; onExpired: () => void; meter?: CallMeter | undefined },
): Promise<number> =>
  new Promise((resolve, reject) => {
    const sent: { request?: Forwarding } = {};
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', onAbort);
      sent.request?.abort(error);
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason as Error);
    const onClose = (): void => {
      if (!outgoing.writableFinished) fail(new Error('the client closed its connection'));
    };
    const onFinish = (): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(outgoing.statusCode);
    };
    if (signal.aborted || outgoing.destroyed) {
      (signal.aborted ? onAbort : onClose)();
      return;
    }
    signal.addEventListener('abort', onAbort);
    outgoing.on('finish', onFinish).on('error', fail).on('close', onClose);
    const resume = (): void => sent.request?.resume();
    sent.request = forward({
      ...createReceiver(outgoing, { onExpired, meter, resume }),
      onError: (error) => fail(error as Error),
    });
  });
