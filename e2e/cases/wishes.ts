import type { Outcome } from './outcome.ts';
import type { S3Wish } from './s3-request.ts';
import type { SdkPut } from './sdk-put.ts';
import type { SessionWish } from './sts-request.ts';

export const data = 'arn:aws:s3:::acme-data';

export type Statement = {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: object;
};

export const policy = (...statements: readonly Statement[]): SessionWish => ({
  policy: { Version: '2012-10-17', Statement: statements },
});
export const allow = (action: string, ...resources: readonly string[]): Statement => ({
  Effect: 'Allow',
  Action: [action],
  Resource: resources,
});

export const readReports = allow('s3:GetObject', `${data}/reports/*`);
export const writeReports = allow('s3:PutObject', `${data}/reports/*`);

export const WRITTEN = 'written by a case\n';

export const get = (key = 'reports/q3.csv', bucket = 'acme-data'): S3Wish => ({
  method: 'GET',
  bucket,
  key,
});
export const head: S3Wish = { method: 'HEAD', bucket: 'acme-data', key: 'reports/q3.csv' };
export const put = (key: string, rest: Partial<S3Wish> = {}): S3Wish => ({
  method: 'PUT',
  bucket: 'acme-data',
  key,
  body: WRITTEN,
  ...rest,
});
export const remove = (key: string): S3Wish => ({ method: 'DELETE', bucket: 'acme-data', key });
export const list = (prefix: string, bucket = 'acme-data'): S3Wish => ({
  method: 'GET',
  bucket,
  query: { 'list-type': '2', prefix },
});

export const sdkPut = (sdk: SdkPut['sdk'], key: string): SdkPut => ({
  sdk,
  bucket: 'acme-data',
  key,
  body: WRITTEN,
});

export const step = (ask: S3Wish, expected: Outcome, afterMs?: number) => ({
  ask,
  expected,
  ...(afterMs !== undefined && { afterMs }),
});
