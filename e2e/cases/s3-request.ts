import { createHash } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '../embedded-cloud/s3/digests.ts';
import type { CaseCloud } from './case-cloud.ts';
import { answerTo } from './http-answer.ts';
import type { Answer } from './outcome.ts';
import type { SessionKeys } from './sts-request.ts';

/** One S3 request of a case, signed as it should be unless `forge` says how not. */
export type S3Wish = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly bucket: string;
  /** Absent: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly payload?: 'hashed' | 'unsigned';
  readonly forge?: Forgery;
};

export type Forgery =
  | 'unknown access key'
  | 'wrong secret'
  | 'no session token'
  | "another session's token"
  | 'no signature'
  | 'signed 20 minutes ago'
  | 'other path than signed'
  | 'other query than signed'
  | 'other content than signed';

/** Signs and sends a request; `keys[1]` is another session's, for forgeries that mix two. */
export const askS3 = async (
  cloud: CaseCloud,
  wish: S3Wish,
  keys: readonly [SessionKeys, SessionKeys],
): Promise<Answer> => {
  const { forge } = wish;
  const signed = await sign(cloud, wish, forgedKeys(keys, forge));
  const query = new URLSearchParams({
    ...wish.query,
    ...(forge === 'other query than signed' && { prefix: 'secrets/' }),
  });
  const path = forge === 'other path than signed' ? '/acme-data/reports/q4.csv' : pathOf(wish);
  const content = forge === 'other content than signed' ? 'something else' : wish.body;
  return answerTo({
    endpoint: cloud.s3Endpoint,
    method: wish.method,
    path: `${path}${query.size === 0 ? '' : `?${String(query).replaceAll('+', '%20')}`}`,
    headers: forge === 'no signature' ? { host: signed['host'] ?? '' } : signed,
    ...(content !== undefined && { body: content }),
  });
};

type Keys = Partial<SessionKeys> & Pick<SessionKeys, 'accessKeyId' | 'secretAccessKey'>;

const forgedKeys = (
  [own, other]: readonly [SessionKeys, SessionKeys],
  forge: Forgery | undefined,
): Keys => {
  const { accessKeyId, secretAccessKey } = own;
  if (forge === 'unknown access key') return { ...own, accessKeyId: 'ASIA2222222222222222' };
  if (forge === 'wrong secret') return { ...own, secretAccessKey: `${secretAccessKey}x` };
  if (forge === "another session's token") return { ...own, sessionToken: other.sessionToken };
  return forge === 'no session token' ? { accessKeyId, secretAccessKey } : own;
};

const pathOf = ({ bucket, key }: S3Wish): string =>
  key === undefined ? `/${bucket}` : `/${bucket}/${key.split('/').map(escapeSegment).join('/')}`;

/** RFC 3986, stricter than encodeURIComponent: signers escape these too. */
const escapeSegment = (segment: string): string =>
  encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const sign = async (
  cloud: CaseCloud,
  wish: S3Wish,
  keys: Keys,
): Promise<Record<string, string>> => {
  const { host, hostname } = new URL(cloud.s3Endpoint);
  const signer = new SignatureV4({
    service: 's3',
    region: cloud.region,
    credentials: keys,
    sha256: Sha256,
    uriEscapePath: false,
  });
  const request = {
    method: wish.method,
    protocol: 'http:',
    hostname,
    path: pathOf(wish),
    query: { ...wish.query },
    headers: { host, 'x-amz-content-sha256': contentHash(wish) },
  };
  const age = wish.forge === 'signed 20 minutes ago' ? 20 * 60_000 : 0;
  const signed = await signer.sign(request, { signingDate: new Date(Date.now() - age) });
  return signed.headers;
};

const contentHash = ({ body = '', payload }: S3Wish): string =>
  payload === 'unsigned' ? 'UNSIGNED-PAYLOAD' : createHash('sha256').update(body).digest('hex');
