import { S3Client } from '@aws-sdk/client-s3';
import type { Cloud } from './cloud.ts';

/** The keys of a session, or of the administrator unless given. Works in the cluster's network only. */
export type S3Keys = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

/** The AWS SDK's own client for a cloud; one attempt, so that a refusal is seen as it came. */
export function createS3Client(cloud: Cloud, keys?: S3Keys): S3Client {
  const admin = {
    accessKeyId: cloud.adminAccessKeyId,
    secretAccessKey: cloud.adminSecretAccessKey,
  };
  return new S3Client({
    endpoint: cloud.s3Endpoint,
    region: cloud.region,
    forcePathStyle: true,
    maxAttempts: 1,
    // RGW 16 knows none of the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    credentials: keys ?? admin,
  });
}
