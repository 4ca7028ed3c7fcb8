import { parseRequestTarget } from '../schema/request-target.ts';
import { readDeletedObjects } from './delete-objects.ts';
import { InputError } from './input-error.ts';
import type { Operation, RecognizableRequest } from './operation.ts';
import { S3_ACTIONS, S3_HEADER_ACTIONS } from './s3-actions.ts';
import { checkBucket, listKeyReadings } from './s3-names.ts';

/** An action on a resource, which a request needs. */
export type RequiredPermission = {
  /** `s3:GetObject`. */
  readonly action: string;
  /** A concrete ARN, or `*` for actions without resource. */
  readonly resource: string;
};

/** What S3 needs of a request beyond its recognized operation. */
export type S3Request = {
  readonly operation: Operation;
  readonly request: RecognizableRequest;
  /** Of DeleteObjects, whole. */
  readonly body?: Uint8Array;
  /** Of the ARNs that tasks of this cloud name: `aws`, `aws-cn`. */
  readonly partition: string;
};

/** Operations of directory buckets, Object Lambda and metadata tables: their permissions are others. */
const UNMAPPED = new Set([
  'CreateBucketMetadataConfiguration',
  'CreateBucketMetadataTableConfiguration',
  'CreateSession',
  'DeleteBucketMetadataConfiguration',
  'DeleteBucketMetadataTableConfiguration',
  'GetBucketMetadataConfiguration',
  'GetBucketMetadataTableConfiguration',
  'RenameObject',
  'UpdateBucketMetadataInventoryTableConfiguration',
  'UpdateBucketMetadataJournalTableConfiguration',
  'WriteGetObjectResponse',
]);

/** Lists every action that an operation of S3 may need by itself, without its headers and its copy source. */
export const listS3Actions = (operation: string): readonly string[] => {
  if (UNMAPPED.has(operation)) return [];
  const { actions, ofVersion = [] } = S3_ACTIONS.get(operation) ?? { actions: [operation] };
  return [...actions, ...ofVersion].map((action) => `s3:${action}`);
};

const WRITES_OBJECT = new Set(['PutObject', 'CopyObject', 'CreateMultipartUpload']);

/** @returns the ARN of a bucket, or of each object that S3 servers take a key for. @throws InputError */
const listArns = (partition: string, bucket: string, key?: string): readonly string[] => {
  checkBucket(bucket);
  const arn = `arn:${partition}:s3:::${bucket}`;
  return key === undefined ? [arn] : listKeyReadings(key).map((each) => `${arn}/${each}`);
};

const selectActions = (name: string, hasVersion: boolean): readonly string[] => {
  const entry = S3_ACTIONS.get(name);
  return (hasVersion ? entry?.ofVersion : undefined) ?? entry?.actions ?? [name];
};

const listHeaderActions = ({ operation, request }: S3Request): readonly string[] => {
  const isObject = operation.labels['Key'] !== undefined;
  const names = [...request.headers.keys()];
  return S3_HEADER_ACTIONS.filter(({ header }) => names.some((name) => name.startsWith(header)))
    .map(({ object, bucket }) => (isObject ? object : (bucket ?? object)))
    .filter((action) => appliesTo(operation.name, action));
};

/** A tagging or ACL header has a meaning only where something is created; a bypass, where it is removed. */
const appliesTo = (operation: string, action: string): boolean =>
  action === 'BypassGovernanceRetention'
    ? ['DeleteObject', 'DeleteObjects', 'PutObjectRetention'].includes(operation)
    : WRITES_OBJECT.has(operation) || operation === 'CreateBucket';

/** `x-amz-copy-source: [/]bucket/key[?versionId=…]`, percent-encoded; access points are not supported. */
const readCopySource = (
  source: string,
): { bucket: string; key: string; hasVersion: boolean } | undefined => {
  const result = parseRequestTarget(source.startsWith('/') ? source : `/${source}`);
  if (!result.ok) return undefined;
  const { decodedPath, parameters } = result.target;
  const [, bucket = '', key = ''] = /^\/([^/:]+)\/([^]+)$/.exec(decodedPath) ?? [];
  const isKnown = [...parameters.keys()].every((name) => name === 'versionId');
  return bucket === '' || !isKnown
    ? undefined
    : { bucket, key, hasVersion: parameters.has('versionId') };
};

/** AWS takes a plus for a space here, as in a query; MinIO and Ceph RGW do not. */
const listSourceReadings = (source: string): readonly string[] =>
  source.includes('+') ? [source, source.replaceAll('+', '%20')] : [source];

const listCopyPermissions = ({
  request,
  partition,
}: S3Request): RequiredPermission[] | undefined => {
  const header = request.headers.get('x-amz-copy-source');
  if (header === undefined) return [];
  const permissions: RequiredPermission[] = [];
  for (const reading of listSourceReadings(header)) {
    const source = readCopySource(reading);
    if (source === undefined) return undefined;
    const action = source.hasVersion ? 's3:GetObjectVersion' : 's3:GetObject';
    for (const resource of listArns(partition, source.bucket, source.key)) {
      permissions.push({ action, resource });
    }
  }
  return permissions;
};

const listDeletePermissions = ({
  operation,
  body,
  partition,
}: S3Request): RequiredPermission[] | undefined =>
  readDeletedObjects(body ?? new Uint8Array())?.flatMap(({ key, versionId }) =>
    listArns(partition, operation.labels['Bucket'] ?? '', key).map((resource) => ({
      action: versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion',
      resource,
    })),
  );

const listOwnPermissions = (s3Request: S3Request): RequiredPermission[] | undefined => {
  const { operation, request, partition } = s3Request;
  if (operation.name === 'DeleteObjects') return listDeletePermissions(s3Request);
  const { Bucket: bucket, Key: key } = operation.labels;
  const resources = bucket === undefined ? ['*'] : listArns(partition, bucket, key);
  const hasVersion = request.target.parameters.has('versionId');
  return selectActions(operation.name, hasVersion).flatMap((action) =>
    resources.map((resource) => ({ action: `s3:${action}`, resource })),
  );
};

/** MinIO unpacks the body of such an upload to keys that are in the archive alone. */
const UNPACKING = 'x-amz-meta-snowball-auto-extract';

/**
 * Lists every permission that a request to S3 needs: those of its operation, of a copy source, of
 * headers, and of each key of DeleteObjects.
 *
 * @returns undefined for an operation without mapping, and for what cannot be read
 * @throws InputError for what S3 servers could take for another bucket or other keys
 */
export const listS3Permissions = (
  s3Request: S3Request,
): readonly RequiredPermission[] | undefined => {
  const { operation } = s3Request;
  if (operation.service !== 's3' || UNMAPPED.has(operation.name)) return undefined;
  if (s3Request.request.headers.has(UNPACKING)) {
    throw new InputError(`expected no header ${UNPACKING}: its objects are in the body`);
  }
  const own = listOwnPermissions(s3Request);
  const copied = listCopyPermissions(s3Request);
  if (own === undefined || copied === undefined) return undefined;
  const resources = [...new Set(own.map(({ resource }) => resource))];
  const byHeader = [...new Set(listHeaderActions(s3Request))].flatMap((action) =>
    resources.map((resource) => ({ action: `s3:${action}`, resource })),
  );
  return [...own, ...copied, ...byHeader];
};
