import type { CloudSettings } from '../contract/platform.ts';
import { value, type Reader } from './reader.ts';
import { patternsOverlap } from './wildcard-patterns.ts';

/**
 * The one module that reads ARNs (`arn:partition:service:region:account:resource`; AWS General
 * Reference, "Amazon Resource Names").
 *
 * A **role ARN** is `arn:<partition>:iam::<account>:role/<path><name>`:
 *
 * | part      | accepted                                                                            |
 * | --------- | ----------------------------------------------------------------------------------- |
 * | partition | `[a-z][a-z0-9-]*`; of dialect `aws` only `aws` and `aws-…`, of `s3` also `minio`     |
 * | account   | 12 digits; of dialect `s3` also empty (Ceph RGW and MinIO have roles without account) |
 * | path      | empty or `segment/` repeated, without empty segments; at most 512 characters          |
 * | name      | 1 to 64 of `A-Z a-z 0-9 _ + = , . @ -` (IAM API, `RoleName`)                          |
 * | in all    | at most 640 characters                                                              |
 *
 * Path segments consist of the characters of a name. IAM accepts more in a path (any of `!` to `~`, and
 * empty segments): these are rejected, because wildcards, policy variables, quotes and doubled slashes
 * do not mean the same to every reader of the ARN. Ceph RGW writes its roles with partition `aws`.
 */
export type Arn = {
  readonly partition: string;
  readonly service: string;
  readonly region: string;
  readonly account: string;
  /** May hold colons itself. */
  readonly resource: string;
};

export type RoleArn = {
  readonly partition: string;
  /** 12 digits; empty where a private cloud has no accounts. */
  readonly account: string;
  /** Begins and ends with a slash, as IAM writes it: `/`, `/team/a/`. */
  readonly path: string;
  readonly name: string;
};

/** Whether a text can be a partition. */
export const PARTITION = /^[a-z][a-z0-9-]*$/;

const SERVICE = PARTITION;
const MAX_ROLE_ARN_LENGTH = 640;
const MAX_PATH_LENGTH = 512;
const ROLE_RESOURCE = /^role(\/(?:[\w+=,.@-]+\/)*)([\w+=,.@-]{1,64})$/;
const SESSION_RESOURCE = /^assumed-role\/(?:[\w+=,.@-]+\/)+([\w+=,.@-]{2,64})$/;

/** Splits an ARN into its parts. Region, account and resource are not checked. */
export const parseArn = (text: string): Arn | undefined => {
  const [scheme, partition = '', service = '', region = '', account = '', resource = ''] =
    splitArn(text);
  return scheme === 'arn' && PARTITION.test(partition) && SERVICE.test(service) && resource !== ''
    ? { partition, service, region, account, resource }
    : undefined;
};

/** Parses a role ARN of any dialect; what is accepted is in the table of {@link Arn}. */
export const parseRoleArn = (text: string): RoleArn | undefined => {
  const arn = text.length <= MAX_ROLE_ARN_LENGTH ? parseArn(text) : undefined;
  if (arn?.service !== 'iam' || arn.region !== '' || !/^(\d{12})?$/.test(arn.account)) {
    return undefined;
  }
  const [, path = '', name] = ROLE_RESOURCE.exec(arn.resource) ?? [];
  return name === undefined || path.length > MAX_PATH_LENGTH
    ? undefined
    : { partition: arn.partition, account: arn.account, path, name };
};

/** Parses a role ARN that was validated before. @throws Error when it was not */
export const requireRoleArn = (text: string): RoleArn => {
  const role = parseRoleArn(text);
  if (role === undefined) throw new Error('expected a validated role ARN, got another text');
  return role;
};

/** Reads a role ARN of any dialect. */
export const roleArn: Reader<string> = value(
  'a role ARN such as arn:aws:iam::111122223333:role/reports',
  (text): text is string => typeof text === 'string' && parseRoleArn(text) !== undefined,
);

/** MinIO has its own partition, Ceph RGW uses AWS's. */
const PRIVATE_CLOUD_ROLE =
  'a role without account, as MinIO (arn:minio:iam:::role/…) and Ceph RGW (arn:aws:iam:::role/…) have them';

/** Whether a role of a cloud of this dialect can have the partition. */
export const isRolePartition = (partition: string, dialect: CloudSettings['dialect']): boolean =>
  partition === 'aws' ||
  partition.startsWith('aws-') ||
  (dialect === 's3' && partition === 'minio');

/** @returns what is expected of a role in this dialect, if the role is not that */
export const checkRoleDialect = (
  { partition, account }: RoleArn,
  dialect: CloudSettings['dialect'],
): string | undefined => {
  const isPossible = isRolePartition(partition, dialect);
  if (dialect === 's3') return isPossible && account === '' ? undefined : PRIVATE_CLOUD_ROLE;
  if (!isPossible) return 'a role of partition aws or aws-…';
  return account === '' ? 'a role with its 12-digit account ID' : undefined;
};

/** @returns the session name of `arn:<partition>:sts::<account>:assumed-role/<role>/<session name>` */
export const parseSessionName = (text: string): string | undefined => {
  const arn = parseArn(text);
  if (arn?.service !== 'sts' || !/^\d*$/.test(arn.account)) return undefined;
  return SESSION_RESOURCE.exec(arn.resource)?.[1];
};

/** The ARNs of one resource type, as its service documents them. */
export type ArnPattern = {
  /** `arn:${Partition}:s3:::${BucketName}`: for messages. */
  readonly text: string;
  /** The six parts of the ARN, each variable as `*`. */
  readonly parts: readonly string[];
  /** How many `/` its resource part can hold. */
  readonly maxSlashes: number;
};

/** Variables without `/`. With one, the ARN of a bucket would seem to cover the bucket's objects. */
const SLASHLESS = new Set(['${BucketName}', '${TableName}']);

/** @param text one ARN with `${variables}` */
export const parseArnPattern = (text: string): ArnPattern => {
  const parts = splitArn(text);
  const resource = parts[5] ?? '';
  const isBounded = (resource.match(VARIABLE) ?? []).every((variable) => SLASHLESS.has(variable));
  return {
    text,
    parts: parts.map((part) => part.replace(VARIABLE, '*')),
    maxSlashes: isBounded && !resource.includes('*') ? countSlashes(resource) : Infinity,
  };
};

const VARIABLE = /\$\{[^}]*\}/g;

/**
 * Whether a declared ARN (`*` and `?` as wildcards) can name a resource of a type. Wildcards do not
 * match the first five colons, as in IAM.
 */
export const matchArn = (declared: string): ((pattern: ArnPattern) => boolean) => {
  const parts = splitArn(declared);
  const slashes = countSlashes(parts[5] ?? '');
  return (pattern) =>
    parts.length === pattern.parts.length &&
    slashes <= pattern.maxSlashes &&
    parts.every((part, index) => patternsOverlap(part, pattern.parts[index] ?? ''));
};

/** At most six parts; the last one may hold colons. */
const splitArn = (arn: string): readonly string[] => {
  const parts = arn.split(':');
  return [...parts.slice(0, 5), ...(parts.length > 5 ? [parts.slice(5).join(':')] : [])];
};

const countSlashes = (text: string): number => text.split('/').length - 1;
