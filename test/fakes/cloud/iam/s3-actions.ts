import { matchesWildcards } from './iam-wildcards.ts';

/** Actions of S3 that MinIO and RGW know alike; those of AWS alone are unknown to them too. */
const S3_ACTIONS = [
  's3:AbortMultipartUpload',
  's3:CreateBucket',
  's3:DeleteBucket',
  's3:DeleteBucketPolicy',
  's3:DeleteObject',
  's3:DeleteObjectTagging',
  's3:DeleteObjectVersion',
  's3:GetBucketLocation',
  's3:GetBucketNotification',
  's3:GetBucketPolicy',
  's3:GetBucketTagging',
  's3:GetBucketVersioning',
  's3:GetLifecycleConfiguration',
  's3:GetObject',
  's3:GetObjectTagging',
  's3:GetObjectVersion',
  's3:ListAllMyBuckets',
  's3:ListBucket',
  's3:ListBucketMultipartUploads',
  's3:ListBucketVersions',
  's3:ListMultipartUploadParts',
  's3:PutBucketPolicy',
  's3:PutBucketTagging',
  's3:PutBucketVersioning',
  's3:PutLifecycleConfiguration',
  's3:PutObject',
  's3:PutObjectTagging',
];

/** Whether a pattern of a policy could mean any action that this cloud knows. */
export const isKnownAction = (pattern: string): boolean =>
  S3_ACTIONS.some((action) => matchesWildcards(pattern.toLowerCase(), action.toLowerCase()));
