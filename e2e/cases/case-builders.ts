import type { Outcome } from './case-outcome.ts';
import type { S3CaseRequest } from './s3-request.ts';
import type { SdkPut } from './sdk-put.ts';
import type { SessionRequest } from './sts-request.ts';

export const dataBucketArn = 'arn:aws:s3:::acme-data';

export type Statement = {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: object;
};

export const buildPolicy = (...statements: readonly Statement[]): SessionRequest => ({
  policy: { Version: '2012-10-17', Statement: statements },
});
export const buildAllow = (action: string, ...resources: readonly string[]): Statement => ({
  Effect: 'Allow',
  Action: [action],
  Resource: resources,
});

export const readReports = buildAllow('s3:GetObject', `${dataBucketArn}/reports/*`);
export const writeReports = buildAllow('s3:PutObject', `${dataBucketArn}/reports/*`);

export const WRITTEN_CONTENT = 'written by a case\n';

export const buildGet = (key = 'reports/q3.csv', bucket = 'acme-data'): S3CaseRequest => ({
  method: 'GET',
  bucket,
  key,
});
export const headRequest: S3CaseRequest = {
  method: 'HEAD',
  bucket: 'acme-data',
  key: 'reports/q3.csv',
};
export const buildPut = (key: string, rest: Partial<S3CaseRequest> = {}): S3CaseRequest => ({
  method: 'PUT',
  bucket: 'acme-data',
  key,
  body: WRITTEN_CONTENT,
  ...rest,
});
export const buildDelete = (key: string): S3CaseRequest => ({
  method: 'DELETE',
  bucket: 'acme-data',
  key,
});
export const buildList = (prefix: string, bucket = 'acme-data'): S3CaseRequest => ({
  method: 'GET',
  bucket,
  query: { 'list-type': '2', prefix },
});

export const buildSdkPut = (sdk: SdkPut['sdk'], key: string): SdkPut => ({
  sdk,
  bucket: 'acme-data',
  key,
  body: WRITTEN_CONTENT,
});

export const buildStep = (request: S3CaseRequest, expected: Outcome, afterMs?: number) => ({
  request,
  expected,
  ...(afterMs !== undefined && { afterMs }),
});
