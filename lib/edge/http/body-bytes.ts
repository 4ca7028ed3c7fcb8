import type { IncomingMessage } from 'node:http';

export const BODY_TOO_LARGE = Symbol('too many bytes');

/**
 * A body of at most `maxBytes`. What exceeds them is read to its end, since the caller listens only
 * then, but not kept; the server's request timeout ends one that has none. Never rejects.
 *
 * @returns nothing when the caller went away
 */
export const readBytes = (
  request: IncomingMessage,
  maxBytes: number,
): Promise<Buffer | typeof BODY_TOO_LARGE | undefined> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else chunks.length = 0;
    });
    request.on('end', () => resolve(length > maxBytes ? BODY_TOO_LARGE : joinChunks(chunks)));
    request.on('error', () => resolve(undefined));
    request.on('close', () => resolve(undefined));
  });

const joinChunks = (chunks: readonly Buffer[]): Buffer => {
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
};
