import { createHash } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '../test/fakes/cloud/s3/digests.ts';

/** Keys as the container credentials format names them. */
export type Keys = { AccessKeyId: string; SecretAccessKey: string; Token: string };
/** A call of S3: an object of so many bytes. */
export type ObjectCall = { method: 'GET' | 'PUT'; bytes: number };

export type SignedCall = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/** The headers of a request of S3 as an SDK signs it: with the SHA-256 of its body. */
export async function signRequest(
  { method, path, body }: Pick<SignedCall, 'method' | 'path' | 'body'>,
  { host, keys }: { host: string; keys: Keys },
): Promise<SignedCall['headers']> {
  const signer = new SignatureV4({
    service: 's3',
    region: 'eu-central-1',
    uriEscapePath: false,
    sha256: Sha256,
    credentials: {
      accessKeyId: keys.AccessKeyId,
      secretAccessKey: keys.SecretAccessKey,
      sessionToken: keys.Token,
    },
  });
  const { headers } = await signer.sign({
    method,
    protocol: 'http:',
    hostname: host,
    path,
    headers: {
      host,
      'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
    },
  });
  return headers;
}

/** A call as an SDK sends it. */
export async function signCall(
  { method, bytes }: ObjectCall,
  access: { host: string; keys: Keys },
): Promise<SignedCall> {
  const body = Buffer.alloc(method === 'PUT' ? bytes : 0);
  const path = `/acme-data/reports/${bytes}`;
  const headers = await signRequest({ method, path, body }, access);
  const length = method === 'PUT' ? { 'content-length': String(bytes) } : {};
  return { method, path, headers: { ...headers, ...length }, body };
}

/** The call as it goes over the wire. */
export const formatCall = ({ method, path, headers, body }: SignedCall): Buffer => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
};
