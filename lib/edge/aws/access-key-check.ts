import { randomBytes } from 'node:crypto';

import { CreateAccessKeyCommand, DeleteAccessKeyCommand, IAMClient } from '@aws-sdk/client-iam';

import type { CloudSettings } from '../../contract/platform.ts';
import type { CloudCredentials } from '../../contract/exchange.ts';
import type { CloudRequestError } from './cloud-request-error.ts';
import { readCloudErrors } from './cloud-response.ts';
import { createMinioAdminClient } from './minio-admin.ts';
import {
  buildSignedSettings,
  toCloudRequestError,
  type SignedEndpointSettings,
} from './signed-client.ts';

/** What a session got when it tried to create an access key. */
export type AccessKeyAttempt = {
  /** `iam`: CreateAccessKey. `minio`: the service accounts of MinIO's admin API. */
  readonly api: 'iam' | 'minio';
  /**
   * - `denied`: the cloud refuses it.
   * - `absent`: the cloud does not offer this API.
   * - `created`: the cloud is too old or set up wrongly, because the key remains valid after the run.
   * - `unclear`: any other response; nothing is shown.
   */
  readonly outcome: 'denied' | 'absent' | 'created' | 'unclear';
  /** Status and error code: `403 AccessDenied`. */
  readonly answer: string;
  /** Set if a key was created and could not be deleted again: its id. */
  readonly remainingKey?: string;
};

/**
 * Tries to create access keys with the credentials of a session, whose session policy must not allow it.
 * MinIO before RELEASE.2025-10-15T17-29-55Z creates them (GHSA-jjjj-jwhf-8rgr). A created key is deleted.
 *
 * @param settings endpoint of IAM, and in dialect `s3` also of S3; absent: AWS's own
 * @returns one attempt for each API
 * @throws Error for an `http:` endpoint that is not allowed
 */
export const tryAccessKeyCreation = async (
  settings: SignedEndpointSettings & Pick<CloudSettings, 'dialect'>,
  keys: CloudCredentials,
): Promise<readonly AccessKeyAttempt[]> => {
  const { dialect, ...endpoint } = settings;
  const iam = await tryIam(endpoint, keys);
  return dialect === 'aws' ? [iam] : [iam, await tryMinio(endpoint, keys)];
};

/** A role has no access keys of its own, so a user must be named; IAM evaluates the rights first. */
const NO_USER = 'valetkey-access-key-check';

const tryIam = async (
  settings: SignedEndpointSettings,
  keys: CloudCredentials,
): Promise<AccessKeyAttempt> => {
  const client = new IAMClient(buildSignedSettings(settings, keys));
  client.middlewareStack.add(readCloudErrors, { step: 'deserialize', priority: 'low' });
  let id: string | undefined;
  const create = async (): Promise<void> => {
    const { AccessKey } = await client.send(new CreateAccessKeyCommand({ UserName: NO_USER }));
    id = AccessKey?.AccessKeyId;
  };
  const remove = async (): Promise<void> => {
    await client.send(new DeleteAccessKeyCommand({ UserName: NO_USER, AccessKeyId: id }));
  };
  return attemptCreation('iam', { create, remove, readId: () => id ?? 'unknown' });
};

const tryMinio = async (
  settings: SignedEndpointSettings,
  keys: CloudCredentials,
): Promise<AccessKeyAttempt> => {
  const client = createMinioAdminClient(settings, keys);
  const id = `check${randomBytes(6).toString('hex')}`;
  return attemptCreation('minio', {
    create: () => client.addServiceAccount(id),
    remove: () => client.deleteServiceAccount(id),
    readId: () => id,
  });
};

type CreationSteps = {
  readonly create: () => Promise<void>;
  readonly remove: () => Promise<void>;
  readonly readId: () => string;
};

const attemptCreation = async (
  api: AccessKeyAttempt['api'],
  { create, remove, readId }: CreationSteps,
): Promise<AccessKeyAttempt> => {
  try {
    await create();
  } catch (thrown) {
    return { api, ...classifyRefusal(toCloudRequestError(thrown)) };
  }
  const isRemoved = await remove().then(
    () => true,
    () => false,
  );
  return {
    api,
    outcome: 'created',
    answer: '200',
    ...(isRemoved ? {} : { remainingKey: readId() }),
  };
};

/** Responses of clouds without the API. MinIO reads any IAM action as one of STS that lacks its parameters. */
const ABSENT_STATUSES = [404, 405, 501];
const ABSENT_CODES = ['InvalidAction', 'NotImplemented', 'MethodNotAllowed', 'MissingParameter'];

const classifyRefusal = ({
  code,
  status,
}: CloudRequestError): Pick<AccessKeyAttempt, 'outcome' | 'answer'> => {
  const answer = status === undefined ? code : `${status} ${code}`;
  if (status === 403) return { outcome: 'denied', answer };
  const isAbsent =
    status !== undefined && (ABSENT_STATUSES.includes(status) || ABSENT_CODES.includes(code));
  return { outcome: isAbsent && code !== 'NoSuchEntity' ? 'absent' : 'unclear', answer };
};
