import { createAccessDenied, CloudError } from '../cloud-error.ts';
import { isAllowed } from '../iam/iam-evaluation.ts';
import type { Session, Sessions } from '../sts/sessions.ts';
import type { Bucket } from './bucket-store.ts';
import { buildBucketArn, findOperation, type S3Response } from './s3-operations.ts';
import { readPayload } from './payload.ts';
import { readAuthorization, verifySignature, type SignedS3Request } from './signature.ts';

export type S3Request = SignedS3Request & { readonly body: Buffer; readonly sourceIp: string };

type S3Deps = {
  readonly region: string;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly sessions: Sessions;
  readonly now: () => number;
};

/**
 * Answers an S3 request in the order the clouds do: who signed, is the signature right, is it
 * allowed, does it exist.
 *
 * @throws CloudError with the code S3 answers
 */
export const createS3Handler = (s3: S3Deps) => {
  return async (request: S3Request): Promise<S3Response> => {
    const now = s3.now();
    const authorization = readAuthorization(request.headers.get('authorization'));
    const session = requireActiveSession(s3.sessions.find(authorization.accessKeyId), now);
    const { region } = s3;
    const longDate = await verifySignature(request, { authorization, session, region, now });
    const target = { method: request.method, query: request.query, ...splitPath(request.rawPath) };
    const operation = findOperation(target);
    const isPermitted = isAllowed(session.policies, {
      action: operation.action,
      resource: buildResourceArn(target),
      context: buildContext(request, session, now),
    });
    if (!isPermitted) throw createAccessDenied();
    const bucket = s3.buckets.get(target.bucketName);
    if (bucket === undefined) {
      throw new CloudError('NoSuchBucket', 404, 'The specified bucket does not exist');
    }
    return operation.run(bucket, {
      ...target,
      content: readPayload(request.body, request.headers, { authorization, session, longDate }),
      contentType: request.headers.get('content-type') ?? 'binary/octet-stream',
      headers: request.headers,
      now,
    });
  };
};

const requireActiveSession = (session: Session | undefined, now: number): Session => {
  if (session === undefined) {
    throw new CloudError('InvalidAccessKeyId', 403, 'The access key Id does not exist');
  }
  if (now >= session.expiresAt) {
    throw new CloudError('ExpiredToken', 400, 'The provided token has expired.');
  }
  return session;
};

/** Path style only: `/<bucket>/<key>`. */
const splitPath = (rawPath: string): { bucketName: string; key: string } => {
  const [, bucketName = '', ...rest] = rawPath.split('/');
  try {
    return { bucketName, key: decodeURIComponent(rest.join('/')) };
  } catch {
    throw new CloudError('InvalidURI', 400, "Couldn't parse the specified URI.");
  }
};

const buildResourceArn = ({ bucketName, key }: { bucketName: string; key: string }): string =>
  key === '' ? buildBucketArn(bucketName) : `${buildBucketArn(bucketName)}/${key}`;

const buildContext = (
  { sourceIp, query }: S3Request,
  session: Session,
  now: number,
): ReadonlyMap<string, string> =>
  new Map([
    ['aws:currenttime', new Date(now).toISOString()],
    ['aws:epochtime', String(Math.floor(now / 1000))],
    ['aws:sourceip', sourceIp],
    ['aws:securetransport', 'false'],
    ['aws:userid', session.userId],
    ...['prefix', 'delimiter', 'max-keys'].flatMap((name) => {
      const value = query.get(name);
      return value === null ? [] : [[`s3:${name}`, value] as const];
    }),
  ]);
