/**
 * The actions that a short form such as `s3:Get*` covers in dialect `s3`: those that MinIO and Ceph RGW
 * both accept in a policy. A policy with any other action is malformed for one of them, so a short form
 * that is written out must not contain it. An end-to-end case sends all of them to both clouds.
 *
 * Sources: `supportedActions` of MinIO's policy package, and the action names of `rgw_iam_policy.cc`
 * (Ceph 16.2).
 */
const SHARED_NAMES = [
  'AbortMultipartUpload',
  'BypassGovernanceRetention',
  'CreateBucket',
  'DeleteBucket',
  'DeleteBucketPolicy',
  'DeleteObject',
  'DeleteObjectTagging',
  'DeleteObjectVersion',
  'DeleteObjectVersionTagging',
  'GetBucketLocation',
  'GetBucketNotification',
  'GetBucketObjectLockConfiguration',
  'GetBucketPolicy',
  'GetBucketPolicyStatus',
  'GetBucketTagging',
  'GetBucketVersioning',
  'GetLifecycleConfiguration',
  'GetObject',
  'GetObjectLegalHold',
  'GetObjectRetention',
  'GetObjectTagging',
  'GetObjectVersion',
  'GetObjectVersionTagging',
  'GetReplicationConfiguration',
  'ListAllMyBuckets',
  'ListBucket',
  'ListBucketMultipartUploads',
  'ListBucketVersions',
  'ListMultipartUploadParts',
  'PutBucketNotification',
  'PutBucketObjectLockConfiguration',
  'PutBucketPolicy',
  'PutBucketTagging',
  'PutBucketVersioning',
  'PutLifecycleConfiguration',
  'PutObject',
  'PutObjectLegalHold',
  'PutObjectRetention',
  'PutObjectTagging',
  'PutObjectVersionTagging',
  'PutReplicationConfiguration',
  'RestoreObject',
] as const;

/** `s3:AbortMultipartUpload`, …: in the order of their names. */
export const S3_SHARED_ACTIONS: ReadonlySet<string> = new Set(
  SHARED_NAMES.map((name) => `s3:${name}`),
);

/**
 * Action → an action that it includes in dialect `s3`. MinIO's policy engine lets a session that may
 * `s3:GetObjectVersion` also `s3:GetObject`.
 */
export const S3_INCLUDED_ACTIONS: ReadonlyMap<string, string> = new Map([
  ['s3:GetObjectVersion', 's3:GetObject'],
]);

/**
 * Action → what MinIO also allows with it, in dialect `s3`. No Deny of the reached action prevents it, so
 * policy must permit it too.
 *
 * - `s3:ListBucket` suffices to list versions, and `s3:PutBucketPolicy` to change the access control list.
 * - `DeleteObject` with the header `x-minio-force-delete` removes all versions, and all objects below the
 *   key (`key/…`) with theirs. MinIO checks only `s3:DeleteObject` on the key.
 */
export const S3_REACHED_ACTIONS: ReadonlyMap<string, S3Reach> = new Map([
  ['s3:ListBucket', { actions: ['s3:ListBucketVersions'], isRecursive: false }],
  ['s3:PutBucketPolicy', { actions: ['s3:PutBucketAcl'], isRecursive: false }],
  [
    's3:DeleteObject',
    { actions: ['s3:DeleteObject', 's3:DeleteObjectVersion'], isRecursive: true },
  ],
]);

type S3Reach = {
  readonly actions: readonly string[];
  /** It reaches also what is below the resource. */
  readonly isRecursive: boolean;
};
