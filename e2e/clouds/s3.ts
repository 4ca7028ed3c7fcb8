import { S3Client } from '@aws-sdk/client-s3';
import type { Cloud } from './cloud.ts';

/** Keys of a session; default: of the administrator. */
export type S3Keys = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

/** Creates an SDK client for a cloud, with one attempt. Works only in the cluster's network. */
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
    // RGW 16 does not support the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    credentials: keys ?? admin,
  });
}
