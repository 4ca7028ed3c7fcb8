import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { selectResponseHeaders } from '../../calls/call-headers.ts';
import type { CallRefusal } from '../../calls/call-refusals.ts';
import { chooseErrorFormat, renderRefusal } from '../../calls/refusal-rendering.ts';

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
  if (incoming.headers.expect === undefined || incoming.httpVersion !== '1.1') return;
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
  const { status, headers, body } = renderRefusal(refusal, { format, requestId: id, isHead });
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
export type CloudResponse = {
  readonly status: number;
  readonly headers: Parameters<typeof selectResponseHeaders>[0];
  readonly body: Readable;
};

/** Enough of an error for its code. */
const MAX_ERROR_BYTES = 4 * 1024;

/**
 * Streams a body to the client, as fast as it reads. Plain events: the signals that `pipeline` makes for
 * every body take more time than a small one. The owner of the signal destroys the body.
 *
 * @param onChunk sees each piece before the client sees it
 */
const passBody = (
  body: Readable,
  outgoing: ServerResponse,
  { signal, onChunk }: { signal: AbortSignal; onChunk?: (chunk: Buffer) => void },
): Promise<void> =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    const onFinish = (): void => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    body.on('data', (chunk: Buffer) => {
      onChunk?.(chunk);
      if (!outgoing.write(chunk)) body.pause();
    });
    body.once('end', () => outgoing.end()).once('error', reject);
    outgoing.on('drain', () => body.resume());
    outgoing.once('finish', onFinish).once('error', reject);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });

/** @returns a function that searches the beginning of an error for its code */
const watchHead = (onHead: (head: string) => void): ((chunk: Buffer) => void) => {
  let head = '';
  return (chunk) => {
    if (head.length >= MAX_ERROR_BYTES) return;
    head += chunk.toString('latin1', 0, MAX_ERROR_BYTES);
    onHead(head);
  };
};

const EXPIRED = 'ExpiredToken';

/**
 * Streams a response of the cloud to the client.
 *
 * @param onExpired is called if the cloud says that the keys have expired
 */
export const passResponse = async (
  { status, headers, body }: CloudResponse,
  outgoing: ServerResponse,
  { signal, onExpired }: { signal: AbortSignal; onExpired: () => void },
): Promise<void> => {
  outgoing.writeHead(status, selectResponseHeaders(headers));
  if (status !== 400 && status !== 403) {
    await passBody(body, outgoing, { signal });
    return;
  }
  let isExpired = false;
  const watch = (text: string): void => {
    if (isExpired || !text.includes(EXPIRED)) return;
    isExpired = true;
    onExpired();
  };
  watch(String(headers['x-amzn-errortype']));
  await passBody(body, outgoing, { signal, onChunk: watchHead(watch) });
};
