import { SignatureV4 } from '@smithy/signature-v4';
import { createAccessDenied, CloudError } from '../cloud-error.ts';
import type { Session } from '../sts/sessions.ts';
import { isSameText, Sha256 } from './digests.ts';

/** An HTTP request as far as its signature covers it. Header names are in lower case. */
export type SignedS3Request = {
  readonly method: string;
  /** As received, without the query. */
  readonly rawPath: string;
  readonly query: URLSearchParams;
  readonly headers: ReadonlyMap<string, string>;
};

/** What a caller's `Authorization` header says. */
export type Authorization = {
  readonly accessKeyId: string;
  /** `YYYYMMDD`. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
};

const MAX_SKEW_MS = 15 * 60_000;

/**
 * Reads the `Authorization` header.
 *
 * @throws CloudError `AccessDenied` when there is none, `AuthorizationHeaderMalformed` otherwise
 */
export const readAuthorization = (header: string | undefined): Authorization => {
  if (header === undefined) throw createAccessDenied();
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request,\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
      header,
    );
  if (!found) throw createMalformedAuthorization('The authorization header is malformed');
  const [, accessKeyId = '', date = '', region = '', service = '', names = '', signature = ''] =
    found;
  return { accessKeyId, date, region, service, signedHeaders: names.split(';'), signature };
};

/**
 * Checks that a session's secret signed this very request, now, for this region.
 *
 * @returns when it was signed, as `x-amz-date` writes it
 * @throws CloudError with the code S3 answers
 */
export const verifySignature = async (
  request: SignedS3Request,
  given: { authorization: Authorization; session: Session; region: string; now: number },
): Promise<string> => {
  const { authorization, session, region, now } = given;
  const longDate = readSigningDate(request, authorization, now);
  if (authorization.region !== region || authorization.service !== 's3') {
    throw createMalformedAuthorization(`the scope must be ${region}/s3`);
  }
  requireSignedHeaders(request, authorization.signedHeaders);
  if (!isSameText(request.headers.get('x-amz-security-token') ?? '', session.sessionToken)) {
    throw new CloudError('InvalidToken', 400, 'The provided token is malformed or invalid');
  }
  const expected = await computeSignature(request, { authorization, session, longDate });
  if (!isSameText(expected, authorization.signature)) {
    throw new CloudError('SignatureDoesNotMatch', 403, 'The request signature does not match');
  }
  return longDate;
};

const createMalformedAuthorization = (message: string): CloudError =>
  new CloudError('AuthorizationHeaderMalformed', 400, message);

const readSigningDate = (
  request: SignedS3Request,
  { date }: Authorization,
  now: number,
): string => {
  const longDate = request.headers.get('x-amz-date') ?? '';
  const signedAt = parseLongDate(longDate);
  if (signedAt === undefined || !longDate.startsWith(date)) {
    throw createAccessDenied('AWS authentication requires a valid x-amz-date header');
  }
  if (Math.abs(now - signedAt) > MAX_SKEW_MS) {
    throw new CloudError('RequestTimeTooSkewed', 403, 'The difference in time is too large');
  }
  return longDate;
};

const parseLongDate = (longDate: string): number | undefined => {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(longDate);
  if (!parts) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
};

/** An unsigned `x-amz-*` header could be changed on the way: S3 refuses it. */
const requireSignedHeaders = (request: SignedS3Request, signed: readonly string[]): void => {
  const unsigned = [...request.headers.keys()].filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.includes(name),
  );
  if (unsigned.length > 0) throw createAccessDenied(`not signed: ${unsigned.join(', ')}`);
};

/** Signs the received request again, with only the headers that its author signed. */
const computeSignature = async (
  request: SignedS3Request,
  given: { authorization: Authorization; session: Session; longDate: string },
): Promise<string> => {
  const { authorization, session, longDate } = given;
  const { accessKeyId, secretAccessKey } = session;
  const signer = new SignatureV4({
    service: authorization.service,
    region: authorization.region,
    credentials: { accessKeyId, secretAccessKey },
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });
  const names = new Set(authorization.signedHeaders);
  const headers = Object.fromEntries([...request.headers].filter(([name]) => names.has(name)));
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: 'http:',
      hostname: '',
      path: request.rawPath,
      query: groupQuery(request.query),
      headers: { ...headers, 'x-amz-content-sha256': readContentHash(request) },
    },
    { signingDate: new Date(parseLongDate(longDate) ?? 0), signableHeaders: names },
  );
  return readAuthorization(signed.headers['authorization']).signature;
};

const readContentHash = (request: SignedS3Request): string => {
  const hash = request.headers.get('x-amz-content-sha256');
  if (hash === undefined) {
    throw new CloudError('InvalidRequest', 400, 'Missing required header x-amz-content-sha256');
  }
  return hash;
};

const groupQuery = (query: URLSearchParams): Record<string, string[]> =>
  Object.fromEntries([...new Set(query.keys())].map((name) => [name, query.getAll(name)]));
