import { describe, expect, it } from '@jest/globals';
import {
  checkRoleDialect,
  matchArn,
  parseArn,
  parseArnPattern,
  parseRoleArn,
  parseSessionName,
  requireRoleArn,
} from './arn.ts';

describe('parseArn', () => {
  it('splits an ARN into its parts and leaves colons in the resource', () => {
    expect(parseArn('arn:aws:logs:e:1:log-group:a')).toEqual({
      partition: 'aws',
      service: 'logs',
      region: 'e',
      account: '1',
      resource: 'log-group:a',
    });
  });

  it.each(['', '*', 'arn', 'arn:aws:s3:::', 'ARN:aws:s3:::b', 'arn::s3:::b', 'arn:*:s3:::b', 's3'])(
    'rejects %j',
    (text) => {
      expect(parseArn(text)).toBeUndefined();
    },
  );
});

const ACCOUNT = '111122223333';
const longPath = (length: number): string => `${'p'.repeat(length - 2)}/`;

describe('parseRoleArn', () => {
  it.each([
    [
      `arn:aws:iam::${ACCOUNT}:role/r`,
      { partition: 'aws', account: ACCOUNT, path: '/', name: 'r' },
    ],
    ['arn:aws-2:iam:::role/r', { partition: 'aws-2', account: '', path: '/', name: 'r' }],
    ['arn:minio:iam:::role/a/b/r', { partition: 'minio', account: '', path: '/a/b/', name: 'r' }],
    ['arn:aws:iam:::role/a+b=c,d.e@f-g_h', { name: 'a+b=c,d.e@f-g_h' }],
    [`arn:aws:iam:::role/${'r'.repeat(64)}`, { name: 'r'.repeat(64) }],
    [`arn:aws:iam:::role/${longPath(512)}r`, { path: `/${longPath(512)}` }],
  ])('parses %s', (text, expected) => {
    expect(parseRoleArn(text)).toMatchObject(expected);
  });

  it.each([
    ['another kind of resource', 'arn:aws:iam:::user/r'],
    ['another service', 'arn:aws:sts:::role/r'],
    ['a region', 'arn:aws:iam:eu-west-1::role/r'],
    ['an account that is not 12 digits', 'arn:aws:iam::1111222233:role/r'],
    ['an account of other digits', 'arn:aws:iam::１１１１２２２２３３３３:role/r'],
    ['a partition in upper case', 'arn:AWS:iam:::role/r'],
    ['a partition that begins with a digit', 'arn:2aws:iam:::role/r'],
    ['no name', 'arn:aws:iam:::role/'],
    ['a name that ends with a slash', 'arn:aws:iam:::role/r/'],
    ['an empty path segment at the beginning', 'arn:aws:iam:::role//r'],
    ['an empty path segment in the middle', 'arn:aws:iam:::role/team//r'],
    ['a name of 65 characters', `arn:aws:iam:::role/${'r'.repeat(65)}`],
    ['a path of 513 characters', `arn:aws:iam:::role/${longPath(513)}r`],
    ['an ARN over 640 characters', `arn:${'a'.repeat(640)}:iam:::role/r`],
    ['a wildcard', 'arn:aws:iam:::role/agent-*'],
    ['a space', 'arn:aws:iam:::role/a b'],
    ['a line feed at its end', 'arn:aws:iam:::role/r\n'],
    ['a colon in the name', 'arn:aws:iam:::role/r:x'],
  ])('rejects %s', (_what, text) => {
    expect(parseRoleArn(text)).toBeUndefined();
    expect(() => requireRoleArn(text)).toThrow('expected a validated role ARN');
  });
});

describe('checkRoleDialect', () => {
  const PRIVATE =
    'a role without account, as MinIO (arn:minio:iam:::role/…) and Ceph RGW (arn:aws:iam:::role/…) have them';
  it.each([
    [`arn:aws:iam::${ACCOUNT}:role/r`, 'aws', undefined],
    [`arn:aws-us-gov:iam::${ACCOUNT}:role/r`, 'aws', undefined],
    ['arn:aws:iam:::role/r', 'aws', 'a role with its 12-digit account ID'],
    [`arn:minio:iam::${ACCOUNT}:role/r`, 'aws', 'a role of partition aws or aws-…'],
    [`arn:aws2:iam::${ACCOUNT}:role/r`, 'aws', 'a role of partition aws or aws-…'],
    [`arn:aws:iam::${ACCOUNT}:role/r`, 's3', PRIVATE],
    [`arn:minio:iam::${ACCOUNT}:role/r`, 's3', PRIVATE],
    ['arn:aws:iam:::role/r', 's3', undefined],
    ['arn:minio:iam:::role/r', 's3', undefined],
    ['arn:ceph:iam:::role/r', 's3', PRIVATE],
  ] as const)('of %s and dialect %s expects: %s', (text, dialect, expected) => {
    expect(checkRoleDialect(requireRoleArn(text), dialect)).toBe(expected);
  });
});

describe('parseSessionName', () => {
  it.each([
    [`arn:aws:sts::${ACCOUNT}:assumed-role/r/pod@run`, 'pod@run'],
    ['arn:aws:sts:::assumed-role/team/r/pod@run', 'pod@run'],
    [`arn:aws:sts::${ACCOUNT}:assumed-role/r`, undefined],
    [`arn:aws:sts::${ACCOUNT}:assumed-role//pod@run`, undefined],
    [`arn:aws:iam::${ACCOUNT}:role/r/pod@run`, undefined],
  ])('of %s returns %s', (text, expected) => {
    expect(parseSessionName(text)).toBe(expected);
  });
});

const bucket = 'arn:${Partition}:s3:::${BucketName}';
const object = 'arn:${Partition}:s3:::${BucketName}/${ObjectName}';
const queue = 'arn:${Partition}:sqs:${Region}:${Account}:${QueueName}';
const group =
  'arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:log-stream:${S}';

describe('matchArn', () => {
  it.each([
    ['a bucket by its name', 'arn:aws:s3:::acme-data', bucket, true],
    ['buckets by their beginning', 'arn:aws:s3:::acme-*', bucket, true],
    ['a bucket by its objects: no', 'arn:aws:s3:::acme-data/*', bucket, false],
    ['objects by their prefix', 'arn:aws:s3:::acme-data/reports/*', object, true],
    ['objects by a wildcard that covers the slash', 'arn:aws:s3:::acme-*', object, true],
    ['an object by its bucket: no', 'arn:aws:s3:::acme-data', object, false],
    ['a bucket in a region: no', 'arn:aws:s3:eu-west-1::acme-data', bucket, false],
    ['a queue in a region', 'arn:aws:sqs:eu-west-1:111122223333:jobs', queue, true],
    ['a queue without a name: no', 'arn:aws:sqs:eu-west-1:111122223333', queue, false],
    ['a queue by a wildcard over a colon: no', 'arn:aws:sqs:*:jobs', queue, false],
    ['another service: no', 'arn:aws:sns:eu-west-1:111122223333:jobs', queue, false],
    ['a resource that holds colons', 'arn:aws:logs:e:1:log-group:a:log-stream:b', group, true],
  ])('decides whether a declared ARN names %s', (_what, declared, type, expected) => {
    expect(matchArn(declared)(parseArnPattern(type))).toBe(expected);
  });
});
