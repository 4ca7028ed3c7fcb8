import { createHash, createHmac } from 'node:crypto';
import { sendInsideNamespace } from '../cluster/namespace-request.ts';
import type { HttpResponse } from '../cluster/namespace-request.ts';
import type { Cloud } from './cloud.ts';

export type SignedRequest = {
  service: 's3' | 'iam' | 'sts';
  method: string;
  /** Encoded path and query; query names in order. */
  path: string;
  body?: string;
  contentType?: string;
};

/** Sends a request as the cloud's administrator, signed with SigV4. @throws Error unless the status is 2xx or in `accept` */
export async function sendAsAdmin(
  cloud: Cloud,
  request: SignedRequest,
  accept: number[] = [],
): Promise<HttpResponse> {
  const url = new URL(request.path, cloud.s3Endpoint);
  const response = await sendInsideNamespace(cloud.namespace, {
    method: request.method,
    url: url.href,
    headers: signHeaders(cloud, request, url, new Date()),
    ...(request.body !== undefined && { body: request.body }),
  });
  const isGood = response.status < 300 || accept.includes(response.status);
  if (!isGood)
    throw new Error(
      `${cloud.name}: ${request.method} ${url.href}: ${response.status} ${response.body}`,
    );
  return response;
}

function signHeaders(
  cloud: Cloud,
  request: SignedRequest,
  url: URL,
  now: Date,
): Record<string, string> {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const bodyHash = hashSha256(request.body ?? '');
  const headers: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': bodyHash,
    'x-amz-date': time,
  };
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const query = url.search.slice(1);
  const canonical = [request.method, url.pathname, query, lines.join(''), names, bodyHash].join(
    '\n',
  );
  const scope = [time.slice(0, 8), cloud.region, request.service, 'aws4_request'];
  const toSign = ['AWS4-HMAC-SHA256', time, scope.join('/'), hashSha256(canonical)].join('\n');
  const key = scope.reduce<string | Buffer>(
    (secret, part) => computeHmac(secret, part),
    `AWS4${cloud.adminSecretAccessKey}`,
  );
  const credential = `${cloud.adminAccessKeyId}/${scope.join('/')}`;
  const signature = computeHmac(key, toSign).toString('hex');
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
    ...(request.contentType !== undefined && { 'content-type': request.contentType }),
  };
}

function hashSha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function computeHmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
