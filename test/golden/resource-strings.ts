const BUCKET = 'arn:aws:s3:::acme-data';

const KEYS = [
  ...['', '/', '/*', '/reports/*', '/reports/q1.csv', '/reports/*/', '/*/*', '*', '?', '/?', '-*'],
  ...[
    '/{customer}/*',
    '/{customer}',
    '/{other}/*',
    '/{Customer}',
    '/{}',
    '/{customer',
    '/customer}',
  ],
  ...['/{customer}{customer}', '/{{customer}}', '/${customer}', '/${aws:username}', '/$customer'],
  ...[
    '/a:b',
    ':a',
    '::',
    '/a b',
    '/a"b',
    '/a\\b',
    '/%2f',
    '/../x',
    '//',
    '/ä',
    '/🔑',
    '/\u202e',
    '/a\n',
  ],
  ...[`/${'k'.repeat(1500)}`, `/${'k'.repeat(1580)}`, `/${'k'.repeat(1600)}`],
];

const OTHERS = [
  ...['arn:aws:s3:::', 'arn:aws:s3:::*', 'arn:aws:s3:::?', 'arn:aws:s3:::*/*', 'arn:aws:s3:::**'],
  ...[
    'arn:aws:s3:eu-west-1::b',
    'arn:aws:s3:*::b',
    'arn:aws:s3::111122223333:b',
    'arn:aws:s3::*:b/k',
  ],
  ...['arn:*:s3:::b', 'arn:aws:*:::b', 'arn:aws:s?:::b', 'arn:aws:S3:::b', 'arn:AWS:s3:::b'],
  ...[
    'arn:minio:s3:::b/k',
    'arn:aws-cn:s3:::b/k',
    'arn:aws:s3::b',
    'arn:aws:s3::::b',
    'arn:aws:s3:b',
  ],
  ...['arn:aws:sqs:eu-west-1:111122223333:jobs', 'arn:aws:sqs:*:111122223333:jobs'],
  ...[
    'arn:aws:sqs:eu-west-1:*:jobs',
    'arn:aws:sqs:eu-west-1:1111222233??:jobs',
    'arn:aws:sqs:::jobs',
  ],
  ...['arn:aws:sqs:eu-west-1:111122223333:jobs/x', 'arn:aws:sqs:EU:111122223333:jobs'],
  ...[
    'arn:aws:dynamodb:eu-west-1:111122223333:table/t',
    'arn:aws:dynamodb:eu-west-1:111122223333:table/t/x',
  ],
  ...[
    'arn:aws:dynamodb:eu-west-1:111122223333:table/t/index/i',
    'arn:aws:dynamodb:eu-west-1:1:table/*',
  ],
  ...[
    'arn:aws:lambda:eu-west-1:111122223333:function:f',
    'arn:aws:lambda:eu-west-1:111122223333:function:f:1',
  ],
  ...[
    'arn:aws:iam::111122223333:role/reports',
    'arn:aws:iam::111122223333:role/*',
    '*',
    'bucket/key',
  ],
  ...[
    's3://acme-data/reports',
    'arn:aws:logs:eu-west-1:111122223333:log-group:g:*',
    'arn:aws:kms:::key/*',
  ],
  ...['arn:aws:s3:{region}::b', 'arn:{partition}:s3:::b/k', 'arn:aws:s3::{account}:b'],
];

/** Resources as declarations might write them. */
export const RESOURCE_STRINGS: readonly string[] = [
  ...new Set([...KEYS.map((key) => `${BUCKET}${key}`), ...OTHERS]),
];
