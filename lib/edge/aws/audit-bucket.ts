import { Readable } from 'node:stream';

import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';

import type { CloudCredentials } from '../../contract/exchange.ts';
import { createS3Client } from './s3-client.ts';
import {
  toCallOptions,
  toCloudRequestError,
  type SignedEndpointSettings,
} from './signed-client.ts';

/** A file to upload. */
export type AuditObject = {
  readonly key: string;
  /** SHA-256, hex, of the content. */
  readonly sha256: string;
  readonly bytes: number;
  /** Opens the content. */
  readonly open: () => AsyncIterable<Uint8Array>;
};

/** `present`: the bucket had the same content; `different`: it has other content, which stays. */
export type UploadOutcome = 'uploaded' | 'present' | 'different';

/** Uploads a file unless an object of its name exists. @throws CloudRequestError */
export type UploadAuditObject = (
  object: AuditObject,
  signal?: AbortSignal,
) => Promise<UploadOutcome>;

/** A file of 64 MiB at 0.6 MiB/s. */
export const UPLOAD_TIMEOUT_MS = 120_000;

/** Not every private cloud stores checksums. */
const SHA256 = 'sha256';

/**
 * Creates the function that uploads audit files. An object is never replaced: the bucket itself refuses to
 * write over one (`If-None-Match: *`). The signature covers the SHA-256 of the content, so the cloud
 * rejects any other content.
 *
 * @throws Error for an `http:` endpoint that is not allowed
 */
export const createAuditUploader = (
  settings: SignedEndpointSettings,
  keys: CloudCredentials,
  { bucket }: { readonly bucket: string },
): UploadAuditObject => {
  const client = createS3Client(settings, keys, UPLOAD_TIMEOUT_MS);
  client.middlewareStack.add(signContent, { step: 'build' });
  return async (object, signal) => {
    const options = toCallOptions(signal);
    const compare = async (): Promise<UploadOutcome | undefined> => {
      const found = { Bucket: bucket, Key: object.key, ChecksumMode: 'ENABLED' } as const;
      const head = await client.send(new HeadObjectCommand(found), options).catch(toAbsence);
      return head && (isSame(head, object) ? 'present' : 'different');
    };
    const found = await compare();
    if (found !== undefined) return found;
    try {
      await client.send(new PutObjectCommand(buildPut(bucket, object)), options);
      return 'uploaded';
    } catch (thrown) {
      const error = toCloudRequestError(thrown);
      const other = error.status === 412 ? await compare() : undefined;
      if (other === undefined) throw error;
      return other;
    }
  };
};

type SignedInput = { readonly input: object; readonly request?: unknown };

/** SDK middleware: a stream would be signed without its content. */
const signContent =
  <A extends SignedInput, O>(next: (args: A) => Promise<O>) =>
  (args: A): Promise<O> => {
    const { ChecksumSHA256: checksum } = args.input as { readonly ChecksumSHA256?: string };
    const { headers } = args.request as { readonly headers: Record<string, string> };
    if (checksum !== undefined) {
      headers['x-amz-content-sha256'] = Buffer.from(checksum, 'base64').toString('hex');
    }
    return next(args);
  };

const buildPut = (bucket: string, { key, sha256, bytes, open }: AuditObject) => ({
  Bucket: bucket,
  Key: key,
  Body: Readable.from(readLazily(open)),
  ContentLength: bytes,
  ContentType: 'application/x-ndjson',
  ChecksumSHA256: toBase64(sha256),
  IfNoneMatch: '*',
  Metadata: { [SHA256]: sha256 },
});

const toBase64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

/** Opens a file only when it is read, so that each of its errors has a reader. */
const readLazily = async function* (open: AuditObject['open']): AsyncGenerator<Uint8Array> {
  yield* open();
};

/** AWS answers 403 for an absent object to who may not list; the upload then shows what is wrong. */
const toAbsence = (thrown: unknown): undefined => {
  const error = toCloudRequestError(thrown);
  if (error.status !== 404 && error.status !== 403) throw error;
};

type Head = {
  readonly ContentLength?: number | undefined;
  readonly ChecksumSHA256?: string | undefined;
  readonly Metadata?: Readonly<Record<string, string>> | undefined;
};

/** The checksum that the cloud computed counts; where there is none, the metadata of the upload. */
const isSame = (head: Head, { sha256, bytes }: AuditObject): boolean =>
  head.ContentLength === bytes &&
  (head.ChecksumSHA256 ?? toBase64(head.Metadata?.[SHA256] ?? '')) === toBase64(sha256);
