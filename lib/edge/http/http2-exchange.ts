import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';

/** RFC 9113, section 7. Numbers, so that this file does not load `http2`. */
const NO_ERROR = 0x0;
/** RFC 9113, section 6.2. */
const FLAG_END_STREAM = 0x1;

/** Of a connection and not of a request (RFC 9113, section 8.2.2). */
const CONNECTION_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** As an HTTP/2 server received it: names and values in turn, the pseudo-headers among them. */
export type ReceivedHead = { readonly rawHeaders: readonly string[]; readonly flags: number };

type RequestHead = Readonly<Record<'method' | 'url', string>> & {
  readonly rawHeaders: readonly string[];
};

const sumLengths = (texts: readonly string[]): number =>
  texts.reduce((sum, { length }) => sum + length, 0);

/** Size as an HTTP/1.1 head would have it: name, colon, space, value, line end. */
export const measureHead = (rawHeaders: readonly string[]): number =>
  sumLengths(rawHeaders) + 2 * rawHeaders.length;

const splitPseudoHeaders = (rawHeaders: readonly string[]) => {
  const pseudo = new Map<string, string>();
  const fields: [name: string, value: string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = rawHeaders.slice(index, index + 2);
    if (name.startsWith(':')) pseudo.set(name, value);
    else fields.push([name, value]);
  }
  return { pseudo, fields };
};

/**
 * Writes the head of an HTTP/2 request as HTTP/1.1 would have it, so that one pipeline decides on both:
 *
 * - `:authority` is `host`, beside which another one is a repeated header. It stays, too: the AWS SDK for
 *   JavaScript signs it in place of `host`.
 * - Another scheme than `http` makes the absolute form, and a CONNECT the authority form.
 * - A body without a length is one in chunks. HTTP/2 itself refuses `transfer-encoding`.
 */
const toRequestHead = ({ rawHeaders, flags }: ReceivedHead): RequestHead => {
  const { pseudo, fields } = splitPseudoHeaders(rawHeaders);
  const authority = pseudo.get(':authority');
  const path = pseudo.get(':path');
  const scheme = pseudo.get(':scheme');
  const others = fields.filter(([name, value]) => name !== 'host' || value !== authority);
  const hasLength = fields.some(([name]) => name === 'content-length');
  const isChunked = !hasLength && (flags & FLAG_END_STREAM) === 0;
  return {
    method: pseudo.get(':method') ?? '',
    url: scheme === 'http' ? (path ?? '') : `${scheme ?? ''}://${authority ?? ''}${path ?? ''}`,
    rawHeaders: [
      ...(authority === undefined ? [] : [':authority', authority, 'host', authority]),
      ...others.flat(),
      ...(isChunked ? ['transfer-encoding', 'chunked'] : []),
    ],
  };
};

/** The first of repeated ones: the pipeline refuses them by the raw headers. */
const indexHeaders = (rawHeaders: readonly string[]): Record<string, string> => {
  const headers = Object.create(null) as Record<string, string>;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers[rawHeaders[index] ?? ''] ??= rawHeaders[index + 1] ?? '';
  }
  return headers;
};

/** The part of a connection that one request uses: bytes are counted for each request. */
export type StreamConnection = {
  /** The connection itself. */
  readonly socket: Socket;
  readonly localAddress: string | undefined;
  bytesRead: number;
  bytesWritten: number;
};

const ignore = (): void => undefined;

/** What the gateway uses of an `IncomingMessage`, of one HTTP/2 stream. */
class StreamRequest extends Readable {
  readonly httpVersion = '2.0';
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: Record<string, string>;
  readonly socket: StreamConnection;
  readonly #stream: ServerHttp2Stream;
  #isEnded: boolean;
  #isRead = false;

  constructor(stream: ServerHttp2Stream, received: ReceivedHead, connection: StreamConnection) {
    super();
    const { method, url, rawHeaders } = toRequestHead(received);
    this.method = method;
    this.url = url;
    this.rawHeaders = rawHeaders;
    this.headers = indexHeaders(rawHeaders);
    this.socket = connection;
    this.#stream = stream;
    this.#isEnded = (received.flags & FLAG_END_STREAM) !== 0;
    // As of an IncomingMessage, an error that no one waits for ends no program.
    this.on('error', ignore);
    const abort = (): void => {
      if (!this.#isEnded) this.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
    };
    stream.once('aborted', abort).once('close', abort);
    // Else the stream would never close.
    if (this.#isEnded) stream.resume();
  }

  /** Whether the request has arrived whole, read or not. */
  get complete(): boolean {
    return this.#isEnded || (!this.#stream.destroyed && this.#stream.state.remoteClose === 1);
  }

  override _read(): void {
    if (this.#isRead) this.#stream.resume();
    else this.#begin();
  }

  #begin(): void {
    this.#isRead = true;
    if (this.#isEnded) {
      this.push(null);
      return;
    }
    this.#stream
      .on('data', (chunk: Buffer) => {
        this.socket.bytesRead += chunk.length;
        if (!this.push(chunk)) this.#stream.pause();
      })
      .once('end', () => {
        // A stream that was reset ends, too, without the end of its request.
        if (this.#stream.aborted) return;
        this.#isEnded = true;
        this.push(null);
      });
  }
}

/** A length beside 204 is an error in HTTP/2; some servers send one. */
const selectHeaders = (status: number, headers: OutgoingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !CONNECTION_HEADERS.has(name) && (status !== 204 || name !== 'content-length'),
    ),
  );

/** What the gateway uses of a `ServerResponse`, of one HTTP/2 stream. */
class StreamResponse extends Writable {
  statusCode = 200;
  headersSent = false;
  readonly #stream: ServerHttp2Stream;
  readonly #request: StreamRequest;

  constructor(stream: ServerHttp2Stream, request: StreamRequest) {
    super();
    this.#stream = stream;
    this.#request = request;
    this.on('error', ignore);
    const close = (): void => void this.destroy();
    stream.once('aborted', close).once('close', close);
  }

  get socket(): StreamConnection {
    return this.#request.socket;
  }

  /** No status for it: RFC 9110 allows a client to send its body without one. */
  writeContinue(): void {
    if (!this.#stream.closed && !this.headersSent)
      this.#stream.additionalHeaders({ ':status': 100 });
  }

  writeHead(status: number, headers: OutgoingHttpHeaders = {}): this {
    this.statusCode = status;
    this.headersSent = true;
    const selected = selectHeaders(status, headers);
    if (this.#stream.closed) return this;
    this.#stream.respond({ ':status': status, ...selected });
    this.socket.bytesWritten += measureHead(Object.entries(selected).flat().map(String));
    return this;
  }

  /** The head is sent by `writeHead`. */
  flushHeaders(): void {
    if (!this.headersSent) this.writeHead(this.statusCode);
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.flushHeaders();
    // A response to HEAD, and one of status 204 or 304, is ended with its head.
    if (this.#stream.writableEnded) {
      done(this.#stream.closed ? new Error('the stream is closed') : null);
      return;
    }
    this.socket.bytesWritten += chunk.length;
    this.#stream.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.flushHeaders();
    const finish = (): void => {
      done();
      // The rest of a body that no one reads must not keep the stream.
      if (!this.#request.complete) this.#stream.close(NO_ERROR);
      this.#stream.resume();
    };
    if (this.#stream.writableFinished || this.#stream.destroyed) finish();
    else this.#stream.once('finish', finish).end();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // With an error, which resets it as INTERNAL_ERROR: `close` would first send the end of the response,
    // and CANCEL passes for the client's own request, so that a client would take a cut response for a whole.
    if (!this.#stream.closed && !this.writableFinished) {
      this.#stream.destroy(new Error('the response was cut'));
    }
    // What no one reads any more would keep a stream that was reset.
    if (!this.#stream.destroyed) this.#stream.resume();
    done(error);
  }
}

/** One request of HTTP/2 in the form in which HTTP/1.1 has them. */
export type StreamExchange = {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
};

/**
 * Adapts an HTTP/2 stream to what handlers of HTTP/1.1 requests take: the members that the gateway uses,
 * and no others.
 *
 * @param socket of its connection
 */
export const adaptStream = (
  stream: ServerHttp2Stream,
  head: ReceivedHead,
  socket: Socket,
): StreamExchange => {
  const request = new StreamRequest(stream, head, {
    socket,
    localAddress: socket.localAddress,
    bytesRead: measureHead(head.rawHeaders),
    bytesWritten: 0,
  });
  const response = new StreamResponse(stream, request);
  return {
    incoming: request as unknown as IncomingMessage,
    outgoing: response as unknown as ServerResponse,
  };
};
