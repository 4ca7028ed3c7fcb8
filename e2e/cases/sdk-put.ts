import { Readable } from 'node:stream';
import { PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { CaseCloud } from './case-cloud.ts';
import type { CaseAnswer } from './case-outcome.ts';
import type { SessionKeys } from './sts-request.ts';

/** An object put by an unmodified AWS SDK: at once, or as a stream in chunks. */
export type SdkPut = {
  readonly sdk: 'text' | 'stream';
  readonly bucket: string;
  readonly key: string;
  readonly body: string;
};

/** Sends the object with the defaults of the AWS SDK, including its checksum. */
export const putWithSdk = async (
  cloud: CaseCloud,
  request: SdkPut,
  keys: SessionKeys,
): Promise<CaseAnswer> => {
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  const client = new S3Client({
    endpoint: cloud.s3Endpoint,
    region: cloud.region,
    forcePathStyle: true,
    maxAttempts: 1,
    // Suppresses the warning that a stream cannot be sent twice.
    logger: { debug: ignoreLog, info: ignoreLog, warn: ignoreLog, error: ignoreLog },
    credentials: { accessKeyId, secretAccessKey, sessionToken },
  });
  try {
    await client.send(
      new PutObjectCommand({
        Bucket: request.bucket,
        Key: request.key,
        Body: request.sdk === 'stream' ? Readable.from([Buffer.from(request.body)]) : request.body,
        ContentLength: Buffer.byteLength(request.body),
      }),
    );
    return { status: 200, code: '', body: '' };
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    const { name, $metadata } = error;
    return { status: $metadata.httpStatusCode ?? 0, code: name, body: error.message };
  } finally {
    client.destroy();
  }
};

const ignoreLog = (): void => undefined;
