import type { Readable } from 'node:stream';

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
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (kind: 'complete' | 'too_large'): void =>
      resolve({ kind, bytes: joinChunks(chunks) });
    const fail = (cause: unknown): void =>
      resolve({ kind: 'incomplete', bytes: joinChunks(chunks), cause });
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else if (drainExcess) chunks.length = 0;
      else {
        stream.off('data', onData).pause();
        finish('too_large');
      }
    };
    stream.on('data', onData);
    stream.on('end', () => finish(length > maxBytes ? 'too_large' : 'complete'));
    stream.on('error', fail);
    stream.on('close', () => fail(new Error('the stream closed before its end')));
  });

const joinChunks = (chunks: readonly Buffer[]): Buffer => {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
};
