import type { Socket } from 'node:net';

/** With these begins a connection of HTTP/2 with prior knowledge (RFC 9113, section 3.4). */
const PREFACE = Buffer.from('PRI ');

const isDifferent = (bytes: Buffer): boolean =>
  !bytes.subarray(0, PREFACE.length).equals(PREFACE.subarray(0, bytes.length));

/**
 * Finds the protocol of a new connection by its first bytes, and puts them back. No other method of HTTP
 * begins with them. A connection that shows nothing in time is closed.
 *
 * @param found is called once, unless the connection closes before
 */
export const readProtocol = (
  socket: Socket,
  timeoutMs: number,
  found: (protocol: 'http1' | 'http2') => void,
): void => {
  let bytes = Buffer.alloc(0);
  const close = (): void => void socket.destroy();
  const timer = setTimeout(close, timeoutMs).unref();
  const stop = (): void => {
    clearTimeout(timer);
    socket.off('readable', read).off('end', close).off('error', close).off('close', stop);
  };
  const read = (): void => {
    for (let chunk: unknown; (chunk = socket.read()) !== null;) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
    }
    if (bytes.length === 0 || (bytes.length < PREFACE.length && !isDifferent(bytes))) return;
    stop();
    socket.unshift(bytes);
    found(isDifferent(bytes) ? 'http1' : 'http2');
  };
  socket.on('readable', read).on('end', close).on('error', close).on('close', stop);
};
