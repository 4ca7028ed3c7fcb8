/**
 * IAM actions of S3 operations that have another name than the operation (Amazon S3 User Guide,
 * "Required permissions for Amazon S3 API operations"). Where a version is named, the action of versions
 * is required instead.
 */
export type S3Actions = {
  readonly actions: readonly string[];
  /** Instead of `actions`, if the request names a version. */
  readonly ofVersion?: readonly string[];
};

const same = (...actions: readonly string[]): S3Actions => ({ actions });
const versioned = (action: string, ofVersion: string): S3Actions => ({
  actions: [action],
  ofVersion: [ofVersion],
});

const configuration = (subject: string): readonly (readonly [string, S3Actions])[] => [
  [`DeleteBucket${subject}Configuration`, same(`Put${subject}Configuration`)],
  [`GetBucket${subject}Configuration`, same(`Get${subject}Configuration`)],
  [`ListBucket${subject}Configurations`, same(`Get${subject}Configuration`)],
  [`PutBucket${subject}Configuration`, same(`Put${subject}Configuration`)],
];

export const S3_ACTIONS: ReadonlyMap<string, S3Actions> = new Map<string, S3Actions>([
  ...['Analytics', 'IntelligentTiering', 'Inventory', 'Metrics'].flatMap(configuration),
  ['CompleteMultipartUpload', same('PutObject')],
  ['CopyObject', same('PutObject')],
  ['CreateMultipartUpload', same('PutObject')],
  ['DeleteBucketCors', same('PutBucketCORS')],
  ['DeleteBucketEncryption', same('PutEncryptionConfiguration')],
  ['DeleteBucketLifecycle', same('PutLifecycleConfiguration')],
  ['DeleteBucketOwnershipControls', same('PutBucketOwnershipControls')],
  ['DeleteBucketReplication', same('PutReplicationConfiguration')],
  ['DeleteBucketTagging', same('PutBucketTagging')],
  ['DeleteObject', versioned('DeleteObject', 'DeleteObjectVersion')],
  ['DeleteObjectTagging', versioned('DeleteObjectTagging', 'DeleteObjectVersionTagging')],
  ['DeletePublicAccessBlock', same('PutBucketPublicAccessBlock')],
  ['GetBucketAccelerateConfiguration', same('GetAccelerateConfiguration')],
  ['GetBucketCors', same('GetBucketCORS')],
  ['GetBucketEncryption', same('GetEncryptionConfiguration')],
  ['GetBucketLifecycleConfiguration', same('GetLifecycleConfiguration')],
  ['GetBucketNotificationConfiguration', same('GetBucketNotification')],
  ['GetBucketReplication', same('GetReplicationConfiguration')],
  ['GetObject', versioned('GetObject', 'GetObjectVersion')],
  ['GetObjectAcl', versioned('GetObjectAcl', 'GetObjectVersionAcl')],
  [
    'GetObjectAttributes',
    {
      actions: ['GetObject', 'GetObjectAttributes'],
      ofVersion: ['GetObjectVersion', 'GetObjectVersionAttributes'],
    },
  ],
  ['GetObjectLockConfiguration', same('GetBucketObjectLockConfiguration')],
  ['GetObjectTagging', versioned('GetObjectTagging', 'GetObjectVersionTagging')],
  ['GetObjectTorrent', versioned('GetObjectTorrent', 'GetObjectVersionTorrent')],
  ['GetPublicAccessBlock', same('GetBucketPublicAccessBlock')],
  ['HeadBucket', same('ListBucket')],
  ['HeadObject', versioned('GetObject', 'GetObjectVersion')],
  ['ListBuckets', same('ListAllMyBuckets')],
  ['ListMultipartUploads', same('ListBucketMultipartUploads')],
  ['ListObjects', same('ListBucket')],
  ['ListObjectsV2', same('ListBucket')],
  ['ListObjectVersions', same('ListBucketVersions')],
  ['ListParts', same('ListMultipartUploadParts')],
  ['PutBucketAccelerateConfiguration', same('PutAccelerateConfiguration')],
  ['PutBucketCors', same('PutBucketCORS')],
  ['PutBucketEncryption', same('PutEncryptionConfiguration')],
  ['PutBucketLifecycleConfiguration', same('PutLifecycleConfiguration')],
  ['PutBucketNotificationConfiguration', same('PutBucketNotification')],
  ['PutBucketReplication', same('PutReplicationConfiguration')],
  ['PutObjectAcl', versioned('PutObjectAcl', 'PutObjectVersionAcl')],
  ['PutObjectLockConfiguration', same('PutBucketObjectLockConfiguration')],
  ['PutObjectTagging', versioned('PutObjectTagging', 'PutObjectVersionTagging')],
  ['PutPublicAccessBlock', same('PutBucketPublicAccessBlock')],
  ['SelectObjectContent', same('GetObject')],
  ['UploadPart', same('PutObject')],
  ['UploadPartCopy', same('PutObject')],
]);

/**
 * Actions that headers of a request require in addition. The keys are prefixes of header names.
 * `x-amz-acl` of a new bucket is about the bucket.
 */
export const S3_HEADER_ACTIONS: readonly {
  readonly header: string;
  readonly object: string;
  readonly bucket?: string;
}[] = [
  { header: 'x-amz-acl', object: 'PutObjectAcl', bucket: 'PutBucketAcl' },
  { header: 'x-amz-grant-', object: 'PutObjectAcl', bucket: 'PutBucketAcl' },
  { header: 'x-amz-tagging', object: 'PutObjectTagging' },
  { header: 'x-amz-object-lock-mode', object: 'PutObjectRetention' },
  { header: 'x-amz-object-lock-retain-until-date', object: 'PutObjectRetention' },
  { header: 'x-amz-object-lock-legal-hold', object: 'PutObjectLegalHold' },
  { header: 'x-amz-bypass-governance-retention', object: 'BypassGovernanceRetention' },
  {
    header: 'x-amz-bucket-object-lock-enabled',
    object: 'PutBucketObjectLockConfiguration',
    bucket: 'PutBucketObjectLockConfiguration',
  },
  {
    header: 'x-amz-object-ownership',
    object: 'PutBucketOwnershipControls',
    bucket: 'PutBucketOwnershipControls',
  },
];
