import type { Readable } from 'node:stream';
import { createPieceList } from './piece-list.ts';

/** A body as far as it was read: `incomplete` if its stream failed, with what the stream threw. */
export type Body =
  | { readonly kind: 'complete'; readonly bytes: Buffer }
  | { readonly kind: 'too_large'; readonly bytes: Buffer }
  | { readonly kind: 'incomplete'; readonly bytes: Buffer; readonly cause: unknown };

export type BodyOptions = {
  readonly maxBytes: number;
  /**
   * Read a body that is too large to its end, without keeping it, for clients that read the response
   * only after they sent everything. Default: stop reading; the caller ends the connection.
   */
  readonly drainExcess?: boolean;
};

/** Reads a body of at most `maxBytes`. Never rejects. */
export const readBody = (
  stream: Readable,
  { maxBytes, drainExcess = false }: BodyOptions,
): Promise<Body> =>
  new Promise((resolve) => {
    const chunks = createPieceList();
    let length = 0;
    const finish = (kind: 'complete' | 'too_large'): void => {
      // Every stream closes: an error with its stack would cost more than the bytes of a small body.
      stream.off('close', onClose);
      resolve({ kind, bytes: joinChunks(chunks.list()) });
    };
    const fail = (cause: unknown): void =>
      resolve({ kind: 'incomplete', bytes: joinChunks(chunks.list()), cause });
    const onClose = (): void => fail(new Error('the stream closed before its end'));
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else if (drainExcess) chunks.clear();
      else {
        stream.off('data', onData).pause();
        finish('too_large');
      }
    };
    stream.on('data', onData);
    stream.on('end', () => finish(length > maxBytes ? 'too_large' : 'complete'));
    stream.on('error', fail);
    stream.on('close', onClose);
  });

const joinChunks = (chunks: readonly Uint8Array[]): Buffer => {
  const [first] = chunks;
  return Buffer.isBuffer(first) && chunks.length === 1 ? first : Buffer.concat(chunks);
};
