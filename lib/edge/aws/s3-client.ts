import { S3Client } from '@aws-sdk/client-s3';

import type { CloudCredentials } from '../../contract/exchange.ts';
import { readCloudErrors } from './cloud-response.ts';
import { buildSignedSettings, type SignedEndpointSettings } from './signed-client.ts';

const ignore = (): void => undefined;
/** Without a logger, the SDK writes to the console that it does not send a stream twice. */
const NO_LOGGER = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };

/**
 * Creates a client for the authority's own objects.
 *
 * @param attemptTimeoutMs longer for large objects
 * @throws Error for an `http:` endpoint that is not allowed
 */
export const createS3Client = (
  settings: SignedEndpointSettings,
  keys: CloudCredentials,
  attemptTimeoutMs?: number,
): S3Client => {
  const client = new S3Client({
    ...buildSignedSettings(settings, keys, attemptTimeoutMs),
    // Private clouds need path-style addresses and do not support the newer checksums.
    forcePathStyle: settings.endpoint !== undefined,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    logger: NO_LOGGER,
  });
  client.middlewareStack.add(readCloudErrors, { step: 'deserialize', priority: 'low' });
  return client;
};
