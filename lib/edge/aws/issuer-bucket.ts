import { PutObjectCommand } from '@aws-sdk/client-s3';

import type { CloudCredentials } from '../../contract/exchange.ts';
import type { IssuerDocument } from '../../grant/issuer-documents.ts';
import { createS3Client } from './s3-client.ts';
import {
  toCloudRequestError,
  toCallOptions,
  type SignedEndpointSettings,
} from './signed-client.ts';

export type PublicationOptions = {
  readonly bucket: string;
  /** Without leading and trailing slashes; may be empty. */
  readonly prefix: string;
  /** How long caches may keep a copy. */
  readonly maxAgeSeconds: number;
};

/** Writes the issuer's documents one after the other, in the given order. */
export type PublishDocuments = (
  documents: readonly IssuerDocument[],
  signal?: AbortSignal,
) => Promise<void>;

/**
 * Creates the function that writes documents to the bucket from which clouds read them.
 *
 * @throws Error for an `http:` endpoint that is not allowed; the returned function throws
 *   CloudRequestError if a document cannot be written
 */
export const createDocumentPublisher = (
  settings: SignedEndpointSettings,
  keys: CloudCredentials,
  { bucket, prefix, maxAgeSeconds }: PublicationOptions,
): PublishDocuments => {
  const client = createS3Client(settings, keys);
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
