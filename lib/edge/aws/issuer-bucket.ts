import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

import type { CloudCredentials } from '../../contract/exchange.ts';
import type { IssuerDocument } from '../../grant/issuer-documents.ts';
import { readCloudErrors } from './cloud-response.ts';
import {
  buildSignedSettings,
  toCloudRequestError,
  toCallOptions,
  type SignedEndpointSettings,
} from './signed-client.ts';

export type PublicationOptions = {
  readonly bucket: string;
  /** Without slashes at its ends; empty: none. */
  readonly prefix: string;
  /** For how long others may hold a copy. */
  readonly maxAgeSeconds: number;
};

/** Writes the issuer's documents, one after the other, in the order given. */
export type PublishDocuments = (
  documents: readonly IssuerDocument[],
  signal?: AbortSignal,
) => Promise<void>;

/**
 * The bucket that a cloud reads the issuer's documents from.
 *
 * @throws CloudRequestError when one could not be written; Error at once for an `http:` endpoint that is not
 *   allowed
 */
export const createDocumentPublisher = (
  settings: SignedEndpointSettings,
  keys: CloudCredentials,
  { bucket, prefix, maxAgeSeconds }: PublicationOptions,
): PublishDocuments => {
  const client = new S3Client({
    ...buildSignedSettings(settings, keys),
    // What AWS's own endpoint needs no more, private clouds do, and they know no newer checksums.
    forcePathStyle: settings.endpoint !== undefined,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  client.middlewareStack.add(readCloudErrors, { step: 'deserialize', priority: 'low' });
  return async (documents, signal) => {
    for (const { path, body } of documents) {
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: prefix === '' ? path : `${prefix}/${path}`,
        Body: body,
        ContentType: 'application/json',
        CacheControl: `public, max-age=${maxAgeSeconds}`,
      });
      await client.send(command, toCallOptions(signal)).catch((thrown: unknown) => {
        throw toCloudRequestError(thrown);
      });
    }
  };
};
