import { CloudError } from '../cloud-error.ts';
import { renderS3Response } from '../xml.ts';
import { createStoredObject, type Bucket, type StoredObject } from './bucket-store.ts';

/** A request whose signature and body were found right. */
export type S3Call = {
  readonly method: string;
  readonly bucketName: string;
  /** Empty: the bucket itself. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly content: Buffer;
  readonly contentType: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly now: number;
};

export type S3Response = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
};

export type Operation = {
  /** The IAM action that must be allowed on the bucket's or object's ARN. */
  readonly action: string;
  readonly run: (bucket: Bucket, call: S3Call) => S3Response;
};

/**
 * Which operation a request asks for.
 *
 * @throws CloudError `NotImplemented`: this is a subset
 */
export const findOperation = (
  call: Pick<S3Call, 'method' | 'bucketName' | 'key' | 'query'>,
): Operation => {
  const found = call.key === '' ? findBucketOperation(call) : OBJECT_OPERATIONS.get(call.method);
  if (call.bucketName === '' || found === undefined) {
    throw new CloudError('NotImplemented', 501, 'This cloud has only part of S3');
  }
  return isVersionRequest(call) && found.action === 's3:GetObject'
    ? { ...found, action: 's3:GetObjectVersion' }
    : found;
};

/** Every object has one version, `null`, as in a bucket without versioning. */
const isVersionRequest = ({ key, query }: Pick<S3Call, 'key' | 'query'>): boolean =>
  key !== '' && query.has('versionId');

const findBucketOperation = ({ method, query }: Pick<S3Call, 'method' | 'query'>) =>
  method === 'GET' && query.get('list-type') === '2' ? LIST_OBJECTS : undefined;

export const buildBucketArn = (bucketName: string): string => `arn:aws:s3:::${bucketName}`;

const getObject = (bucket: Bucket, call: S3Call): S3Response => {
  const object = requireObject(bucket, call);
  return { status: 200, headers: buildObjectHeaders(object), body: object.content };
};

const headObject = (bucket: Bucket, call: S3Call): S3Response => ({
  status: 200,
  headers: buildObjectHeaders(requireObject(bucket, call)),
});

const putObject = (bucket: Bucket, call: S3Call): S3Response => {
  const { key, content, contentType, headers, now } = call;
  if (headers.get('if-none-match') === '*' && bucket.has(key)) {
    throw new CloudError('PreconditionFailed', 412, 'A condition did not hold');
  }
  const object = createStoredObject(content, contentType, now, readMetadata(headers));
  bucket.set(key, object);
  return { status: 200, headers: { etag: object.etag } };
};

const readMetadata = (headers: S3Call['headers']): Readonly<Record<string, string>> =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('x-amz-meta-')));

const deleteObject = (bucket: Bucket, { key }: S3Call): S3Response => {
  bucket.delete(key);
  return { status: 204 };
};

/** AWS hides an absent key from who may not list; MinIO and RGW do not, and this cloud is like them. */
const requireObject = (bucket: Bucket, { key }: S3Call): StoredObject => {
  const object = bucket.get(key);
  if (object === undefined) {
    throw new CloudError('NoSuchKey', 404, 'The specified key does not exist.');
  }
  return object;
};

const buildObjectHeaders = (object: StoredObject): Record<string, string> => ({
  ...object.metadata,
  etag: object.etag,
  'content-type': object.contentType,
  'content-length': String(object.content.length),
  'last-modified': new Date(object.modifiedAt).toUTCString(),
});

const listObjects = (bucket: Bucket, { bucketName, query }: S3Call): S3Response => {
  const prefix = query.get('prefix') ?? '';
  const most = Math.min(Number(query.get('max-keys') ?? 1000), 1000);
  const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
  const entries = listEntries(bucket, { prefix, delimiter: query.get('delimiter') ?? '', after });
  const page = entries.slice(0, most);
  const last = page.at(-1)?.name;
  const isTruncated = entries.length > page.length;
  const body = renderS3Response('ListBucketResult', {
    Name: bucketName,
    Prefix: prefix,
    MaxKeys: most,
    KeyCount: page.length,
    IsTruncated: isTruncated,
    ...(isTruncated && last !== undefined && { NextContinuationToken: last }),
    Contents: page.flatMap(({ name, object }) => (object ? [toListedObject(name, object)] : [])),
    CommonPrefixes: page.filter(({ object }) => !object).map(({ name }) => ({ Prefix: name })),
  });
  return { status: 200, headers: { 'content-type': 'application/xml' }, body };
};

type Entry = { readonly name: string; readonly object?: StoredObject };

/** Keys, and what lies between a prefix and the next delimiter once, in order. */
const listEntries = (
  bucket: Bucket,
  { prefix, delimiter, after }: { prefix: string; delimiter: string; after: string },
): readonly Entry[] => {
  const entries = new Map<string, Entry>();
  for (const [key, object] of bucket) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = cut < 0 ? key : key.slice(0, cut + delimiter.length);
    entries.set(name, cut < 0 ? { name, object } : { name });
  }
  return [...entries.values()]
    .filter(({ name }) => name > after)
    .sort((one, other) => (one.name < other.name ? -1 : 1));
};

const toListedObject = (key: string, object: StoredObject) => ({
  Key: key,
  LastModified: new Date(object.modifiedAt).toISOString(),
  ETag: object.etag,
  Size: object.content.length,
  StorageClass: 'STANDARD',
});

const LIST_OBJECTS: Operation = { action: 's3:ListBucket', run: listObjects };
const OBJECT_OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ['GET', { action: 's3:GetObject', run: getObject }],
  ['HEAD', { action: 's3:GetObject', run: headObject }],
  ['PUT', { action: 's3:PutObject', run: putObject }],
  ['DELETE', { action: 's3:DeleteObject', run: deleteObject }],
]);
