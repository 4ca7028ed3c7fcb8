import type { Readable } from 'node:stream';

import { formatValue } from '../../schema/field-error.ts';
import { CloudRequestError } from './cloud-request-error.ts';

const MAX_BODY_BYTES = 64 * 1024;

type Response = { readonly statusCode: number; readonly body: Readable };

/**
 * SDK middleware of the `deserialize` step, next to the wire: no answer, and an answer that is not
 * 2xx, become a {@link CloudRequestError}. STS and IAM wrap their errors (`<ErrorResponse><Error><Code>`),
 * Ceph RGW answers as S3 does (`<Error><Code>`), and the SDK reads the code of the former only.
 */
export const readCloudErrors =
  <A, O extends { response: unknown }>(next: (args: A) => Promise<O>) =>
  async (args: A): Promise<O> => {
    const output = await next(args).catch((thrown: unknown) => {
      throw toNoResponseError(thrown);
    });
    const { statusCode: status, body } = output.response as Response;
    if (status >= 200 && status < 300) return output;
    throw toResponseError(await readText(body), status);
  };

/** Only a code passes: an error of the SDK may carry the request, and with it the token. */
const toNoResponseError = (thrown: unknown): CloudRequestError => {
  const { name, code } = thrown as { name?: string; code?: string };
  return new CloudRequestError(code ?? name ?? 'unknown', '');
};

const toResponseError = (text: string, status: number): CloudRequestError => {
  const code = /<Code>\s*([A-Za-z0-9.:_-]{1,80})\s*<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1];
  const detail = message === undefined ? '' : formatValue(message);
  return new CloudRequestError(code ?? `http_${status}`, detail, { status });
};

/** As much of it as came: the status says enough of an answer that breaks off. */
const readText = async (body: Readable): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_BODY_BYTES) break;
      chunks.push(chunk);
    }
  } catch {
    // The connection was lost.
  }
  return Buffer.concat(chunks).toString('utf8');
};
