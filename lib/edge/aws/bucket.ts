import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

import type { CloudKeys } from '../../credentials/exchange.ts';
import type { IssuerDocument } from '../../grant/documents.ts';
import { readFaults } from './cloud-answer.ts';
import { signedSettings, toCloudFault, within, type OwnEndpoint } from './signed-client.ts';

export type PublicationTerms = {
  readonly bucket: string;
  /** Without slashes at its ends; empty: none. */
  readonly prefix: string;
  /** For how long others may hold a copy. */
  readonly maxAgeSeconds: number;
};

/** Writes the issuer's documents, one after the other, in the order given. */
export type Publish = (documents: readonly IssuerDocument[], signal?: AbortSignal) => Promise<void>;

/**
 * The bucket that a cloud reads the issuer's documents from.
 *
 * @throws CloudFault when one could not be written; Error at once for an `http:` endpoint that is not
 *   allowed
 */
export const openPublication = (
  settings: OwnEndpoint,
  keys: CloudKeys,
  { bucket, prefix, maxAgeSeconds }: PublicationTerms,
): Publish => {
  const client = new S3Client({
    ...signedSettings(settings, keys),
    // What AWS's own endpoint needs no more, private clouds do, and they know no newer checksums.
    forcePathStyle: settings.endpoint !== undefined,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  client.middlewareStack.add(readFaults, { step: 'deserialize', priority: 'low' });
  return async (documents, signal) => {
    for (const { path, body } of documents) {
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: prefix === '' ? path : `${prefix}/${path}`,
        Body: body,
        ContentType: 'application/json',
        CacheControl: `public, max-age=${maxAgeSeconds}`,
      });
      await client.send(command, within(signal)).catch((thrown: unknown) => {
        throw toCloudFault(thrown);
      });
    }
  };
};
