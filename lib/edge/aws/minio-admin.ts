import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';

import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

import type { CloudCredentials } from '../../contract/exchange.ts';
import { readCloudErrors } from './cloud-response.ts';
import {
  buildSignedSettings,
  toCloudRequestError,
  toCallOptions,
  type SignedEndpointSettings,
} from './signed-client.ts';

/** The part of MinIO's admin API (`/minio/admin/v3`) that concerns service accounts, its access keys. */
export type MinioAdminClient = {
  /** Creates one for the caller; its access key has this id and may do nothing. */
  readonly addServiceAccount: (accessKey: string, signal?: AbortSignal) => Promise<void>;
  readonly deleteServiceAccount: (accessKey: string, signal?: AbortSignal) => Promise<void>;
};

/** MinIO evaluates it in addition to the caller's rights. */
const ALLOW_NOTHING = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] }],
};

/**
 * Creates a client of MinIO's admin API, which is signed like S3: the S3 client therefore addresses it
 * as the bucket `minio`. Each function throws CloudRequestError.
 *
 * @throws Error for an `http:` endpoint that is not allowed
 */
export const createMinioAdminClient = (
  settings: SignedEndpointSettings,
  keys: CloudCredentials,
): MinioAdminClient => {
  const client = new S3Client({
    ...buildSignedSettings(settings, keys),
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  client.middlewareStack.add(readCloudErrors, { step: 'deserialize', priority: 'low' });
  return {
    addServiceAccount: async (accessKey, signal) => {
      const request = {
        accessKey,
        secretKey: randomBytes(20).toString('hex'),
        policy: ALLOW_NOTHING,
      };
      const command = new PutObjectCommand({
        Bucket: 'minio',
        Key: 'admin/v3/add-service-account',
        Body: encryptAdminBody(keys.secretAccessKey, JSON.stringify(request)),
      });
      await client.send(command, toCallOptions(signal)).catch(throwCloudRequestError);
    },
    deleteServiceAccount: async (accessKey, signal) => {
      const command = new DeleteObjectCommand({
        Bucket: 'minio',
        Key: 'admin/v3/delete-service-account',
      });
      command.middlewareStack.add(
        (next) => (args) => {
          (args.request as { query: Record<string, string> }).query['accessKey'] = accessKey;
          return next(args);
        },
        { step: 'build' },
      );
      await client.send(command, toCallOptions(signal)).catch(throwCloudRequestError);
    },
  };
};

const throwCloudRequestError = (thrown: unknown): never => {
  throw toCloudRequestError(thrown);
};

const PBKDF2_AES_GCM = 2;
const PBKDF2_ROUNDS = 8192;
const LAST_FRAGMENT = 0x80;

/**
 * Encrypts a body of the admin API with the caller's secret key, in the form of the package madmin:
 * salt, algorithm, nonce, and one fragment of a DARE stream. Its associated data are a marker of the last
 * fragment and the tag of an empty fragment with the sequence number 0.
 *
 * @param text at most 16 KiB, the size of a fragment
 */
const encryptAdminBody = (secretKey: string, text: string): Buffer => {
  const [salt, nonce] = [randomBytes(32), randomBytes(8)];
  const key = pbkdf2Sync(secretKey, salt, PBKDF2_ROUNDS, 32, 'sha256');
  const { tag } = seal(key, buildNonce(nonce, 0), { content: Buffer.alloc(0) });
  const associated = Buffer.concat([Buffer.of(LAST_FRAGMENT), tag]);
  const last = seal(key, buildNonce(nonce, 1), { content: Buffer.from(text), associated });
  return Buffer.concat([salt, Buffer.of(PBKDF2_AES_GCM), nonce, last.sealed, last.tag]);
};

const buildNonce = (nonce: Buffer, sequence: number): Buffer => {
  const number = Buffer.alloc(4);
  number.writeUInt32LE(sequence);
  return Buffer.concat([nonce, number]);
};

const seal = (
  key: Buffer,
  nonce: Buffer,
  { content, associated }: { readonly content: Buffer; readonly associated?: Buffer },
): { readonly sealed: Buffer; readonly tag: Buffer } => {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  if (associated !== undefined) cipher.setAAD(associated);
  const sealed = Buffer.concat([cipher.update(content), cipher.final()]);
  return { sealed, tag: cipher.getAuthTag() };
};
