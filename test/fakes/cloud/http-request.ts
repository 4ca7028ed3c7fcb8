import type { IncomingMessage } from 'node:http';
import { CloudError } from './cloud-error.ts';
import type { S3Request } from './s3/s3-handler.ts';

const MAX_BODY_BYTES = 8 * 1024 * 1024;

/**
 * Reads a request whole, with path and query unchanged from the wire.
 *
 * @throws CloudError `EntityTooLarge`
 */
export const readRequest = async (incoming: IncomingMessage): Promise<S3Request> => {
  const target = incoming.url ?? '/';
  const cut = target.indexOf('?');
  return {
    method: incoming.method ?? '',
    rawPath: cut < 0 ? target : target.slice(0, cut),
    query: new URLSearchParams(cut < 0 ? '' : target.slice(cut + 1)),
    headers: readHeaders(incoming),
    body: await readBody(incoming),
    sourceIp: (incoming.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
  };
};

const readHeaders = (incoming: IncomingMessage): ReadonlyMap<string, string> =>
  new Map(
    Object.entries(incoming.headers).map(
      ([name, value]) => [name, Array.isArray(value) ? value.join(',') : (value ?? '')] as const,
    ),
  );

const readBody = async (incoming: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of incoming as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new CloudError('EntityTooLarge', 400, 'The body is too large');
    parts.push(part);
  }
  return Buffer.concat(parts);
};
