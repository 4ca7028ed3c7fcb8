import type { Readable } from 'node:stream';

import { readBody } from '../../async/body.ts';
import { formatValue } from '../../schema/field-error.ts';
import { CloudRequestError } from './cloud-request-error.ts';

const MAX_BODY_BYTES = 64 * 1024;

type Response = { readonly statusCode: number; readonly body: Readable };

/**
 * SDK middleware of the `deserialize` step: a missing response or a status other than 2xx becomes a
 * {@link CloudRequestError}. STS and IAM wrap their errors in `<ErrorResponse><Error><Code>`; Ceph RGW
 * returns `<Error><Code>` as S3 does. The SDK reads only the code of the former.
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

/** Keeps only a code: an error of the SDK may contain the request and its token. */
const toNoResponseError = (thrown: unknown): CloudRequestError => {
  const { name, code, reason } = thrown as { name?: string; code?: string; reason?: string };
  return new CloudRequestError(reason ?? code ?? name ?? 'unknown', '');
};

const toResponseError = (text: string, status: number): CloudRequestError => {
  const code = /<Code>\s*([A-Za-z0-9.:_-]{1,80})\s*<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1];
  const detail = message === undefined ? '' : formatValue(message);
  return new CloudRequestError(code ?? `http_${status}`, detail, { status });
};

/** Reads what arrives: the status is sufficient for a response that is incomplete or too large. */
const readText = async (body: Readable): Promise<string> => {
  const { kind, bytes } = await readBody(body, { maxBytes: MAX_BODY_BYTES });
  if (kind === 'too_large') body.destroy();
  return bytes.toString('utf8');
};
