import { createHash } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '../../test/fakes/cloud/s3/digests.ts';
import type { CaseCloud } from './case-cloud.ts';
import { sendCaseRequest } from './case-http.ts';
import type { CaseAnswer } from './case-outcome.ts';
import type { SessionKeys } from './sts-request.ts';

/** An S3 request of a case, signed correctly unless `forge` states an error. */
export type S3CaseRequest = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly bucket: string;
  /** Undefined for the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly payload?: 'hashed' | 'unsigned';
  readonly forge?: SignatureForgery;
};

export type SignatureForgery =
  | 'unknown access key'
  | 'wrong secret'
  | 'no session token'
  | "another session's token"
  | 'no signature'
  | 'signed 20 minutes ago'
  | 'other path than signed'
  | 'other query than signed'
  | 'other content than signed';

/** Signs and sends a request; `keys[1]` is of another session, for forgeries that mix two sessions. */
export const sendS3Request = async (
  cloud: CaseCloud,
  request: S3CaseRequest,
  keys: readonly [SessionKeys, SessionKeys],
): Promise<CaseAnswer> => {
  const { forge } = request;
  const signed = await signRequest(cloud, request, forgeKeys(keys, forge));
  const query = new URLSearchParams({
    ...request.query,
    ...(forge === 'other query than signed' && { prefix: 'secrets/' }),
  });
  const path =
    forge === 'other path than signed' ? '/acme-data/reports/q4.csv' : buildPath(request);
  const content = forge === 'other content than signed' ? 'something else' : request.body;
  return sendCaseRequest({
    endpoint: cloud.s3Endpoint,
    method: request.method,
    path: `${path}${query.size === 0 ? '' : `?${String(query).replaceAll('+', '%20')}`}`,
    headers: forge === 'no signature' ? { host: signed['host'] ?? '' } : signed,
    ...(content !== undefined && { body: content }),
  });
};

/** Keys without a session token are those of a user. */
export type SigningKeys = Partial<SessionKeys> &
  Pick<SessionKeys, 'accessKeyId' | 'secretAccessKey'>;

const forgeKeys = (
  [own, other]: readonly [SessionKeys, SessionKeys],
  forge: SignatureForgery | undefined,
): SigningKeys => {
  const { accessKeyId, secretAccessKey } = own;
  if (forge === 'unknown access key') return { ...own, accessKeyId: 'ASIA2222222222222222' };
  if (forge === 'wrong secret') return { ...own, secretAccessKey: `${secretAccessKey}x` };
  if (forge === "another session's token") return { ...own, sessionToken: other.sessionToken };
  return forge === 'no session token' ? { accessKeyId, secretAccessKey } : own;
};

const buildPath = ({ bucket, key }: S3CaseRequest): string =>
  key === undefined ? `/${bucket}` : `/${bucket}/${key.split('/').map(escapeSegment).join('/')}`;

/** Escapes as RFC 3986 requires, which signers follow and encodeURIComponent does not. */
const escapeSegment = (segment: string): string =>
  encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** Signs a request. Returns all of its headers. */
export const signRequest = async (
  cloud: CaseCloud,
  request: S3CaseRequest,
  keys: SigningKeys,
): Promise<Record<string, string>> => {
  const { host, hostname } = new URL(cloud.s3Endpoint);
  const signer = new SignatureV4({
    service: 's3',
    region: cloud.region,
    credentials: keys,
    sha256: Sha256,
    uriEscapePath: false,
  });
  const unsigned = {
    method: request.method,
    protocol: 'http:',
    hostname,
    path: buildPath(request),
    query: { ...request.query },
    headers: { host, 'x-amz-content-sha256': hashContent(request), ...request.headers },
  };
  const age = request.forge === 'signed 20 minutes ago' ? 20 * 60_000 : 0;
  const signed = await signer.sign(unsigned, { signingDate: new Date(Date.now() - age) });
  return signed.headers;
};

const hashContent = ({ body = '', payload }: S3CaseRequest): string =>
  payload === 'unsigned' ? 'UNSIGNED-PAYLOAD' : createHash('sha256').update(body).digest('hex');
