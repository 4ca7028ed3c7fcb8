import { describe, expect, test } from '@jest/globals';
import { matchArn, parseArnPattern } from './arns.ts';

const bucket = 'arn:${Partition}:s3:::${BucketName}';
const object = 'arn:${Partition}:s3:::${BucketName}/${ObjectName}';
const queue = 'arn:${Partition}:sqs:${Region}:${Account}:${QueueName}';
const group =
  'arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:log-stream:${S}';

describe('a declared ARN', () => {
  test.each([
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
  ])('names %s', (_what, declared, type, expected) => {
    expect(matchArn(declared)(parseArnPattern(type))).toBe(expected);
  });
});
