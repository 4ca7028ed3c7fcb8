import type { Readable } from 'node:stream';

import { show } from '../../reading/fault.ts';
import { CloudFault } from './cloud-fault.ts';

const LONGEST_BODY = 64 * 1024;

type Response = { readonly statusCode: number; readonly body: Readable };

/**
 * SDK middleware of the `deserialize` step, next to the wire: no answer, and an answer that is not
 * 2xx, become a {@link CloudFault}. STS and IAM wrap their errors (`<ErrorResponse><Error><Code>`),
 * Ceph RGW answers as S3 does (`<Error><Code>`), and the SDK reads the code of the former only.
 */
export const readFaults =
  <A, O extends { response: unknown }>(next: (args: A) => Promise<O>) =>
  async (args: A): Promise<O> => {
    const output = await next(args).catch((thrown: unknown) => {
      throw toLack(thrown);
    });
    const { statusCode: status, body } = output.response as Response;
    if (status >= 200 && status < 300) return output;
    throw toFault(await readText(body), status);
  };

/** Only a code passes: an error of the SDK may carry the request, and with it the token. */
const toLack = (thrown: unknown): CloudFault => {
  const { name, code } = thrown as { name?: string; code?: string };
  return new CloudFault(code ?? name ?? 'unknown', '');
};

const toFault = (text: string, status: number): CloudFault => {
  const code = /<Code>\s*([A-Za-z0-9.:_-]{1,80})\s*<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1];
  const detail = message === undefined ? '' : show(message);
  return new CloudFault(code ?? `http_${status}`, detail, { status });
};

/** As much of it as came: the status says enough of an answer that breaks off. */
const readText = async (body: Readable): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > LONGEST_BODY) break;
      chunks.push(chunk);
    }
  } catch {
    // The connection was lost.
  }
  return Buffer.concat(chunks).toString('utf8');
};
