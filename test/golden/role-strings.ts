const ACCOUNT = '111122223333';

const PARTITIONS = [
  ...['aws', 'aws-cn', 'aws-us-gov', 'aws-iso-b', 'aws-', 'aws2', 'aws-2', 'minio', 'ceph', ''],
  ...['AWS', '-aws', '2aws', 'a', 'awsome', '*', 'a?s', 'aws_cn', 'aws.cn', 'äws'],
];
const ACCOUNTS = [
  ...['', '0', '11112222333', '1111222233334', '000000000000', '11112222333a', '1111-2222-3333'],
  ...[
    '*',
    '1111222233??',
    ' 111122223333',
    'tenant',
    '１１１１２２２２３３３３',
    '${account}',
    '{account}',
  ],
];
const NAMES = [
  ...[
    '',
    'r',
    'x'.repeat(64),
    'x'.repeat(65),
    'a_b',
    'a+b=c,d.e@f-g',
    'a b',
    'a:b',
    'a*',
    'a?b',
    '*',
  ],
  ...['team/r', '/r', 'r/', 'team//r', 'a/b/c/d', 'service-role/r', 'aws-service-role/x.com/r'],
  ...[`${'p'.repeat(512)}/r`, `${'p'.repeat(560)}/${'r'.repeat(64)}`, `${'p/'.repeat(300)}r`],
  ...['..', '../r', 'r%2f', 'r#1', "r'", 'r"', 'r\\', 'r$', '{customer}', '${customer}'],
  ...[
    'rôle',
    'r\u0301',
    '役割',
    'r\u202e',
    'r\u0000',
    'r\n',
    'r ',
    ' r',
    '\ud800',
    '🔑',
    'r:x',
    'r:role/x',
  ],
];
const SERVICES = ['iam', 'IAM', 'sts', 's3', '', '*', 'i?m', 'iam:', 'iam '];
const REGIONS = ['', 'us-east-1', '*', 'eu'];
const KINDS = [
  'role',
  'Role',
  'user',
  'assumed-role',
  'role*',
  'roles',
  '',
  'oidc-provider',
  'rol?',
];

const WHOLE = [
  ...['', '*', '**', 'arn', 'arn:', 'arn:aws', 'arn:aws:iam', 'arn:aws:iam:', 'arn:aws:iam::'],
  ...[`arn:aws:iam::${ACCOUNT}`, `arn:aws:iam::${ACCOUNT}:`, `arn:aws:iam::${ACCOUNT}:role`],
  ...[
    `ARN:aws:iam::${ACCOUNT}:role/r`,
    ` arn:aws:iam::${ACCOUNT}:role/r`,
    'r',
    'team/r',
    '/r',
    'r/',
  ],
  ...[
    `xarn:aws:iam::${ACCOUNT}:role/r`,
    `arn::iam::${ACCOUNT}:role/r`,
    `arn:aws:iam:${ACCOUNT}:role/r`,
  ],
  ...[`arn:aws:iam:::${ACCOUNT}:role/r`, `arn:aws:iam::${ACCOUNT}::role/r`, 'arn:aws:iam:::role:r'],
  ...[`arn:aws:iam::${ACCOUNT}:role/r\n`, `arn:aws:iam::${ACCOUNT}:role/r:`, 'arn:*:iam:::role/*'],
  ...[`arn:aws:sts::${ACCOUNT}:assumed-role/r/pod@run`, 'arn:aws:sts:::assumed-role/r/pod@run'],
  ...[`arn:aws:sts::${ACCOUNT}:assumed-role/team/r/pod@run`, 'arn:minio:sts:::assumed-role/r/x'],
  ...[`arn:aws:sts::${ACCOUNT}:assumed-role/r/`, `arn:aws:sts::${ACCOUNT}:assumed-role/r`],
  ...[`arn:aws:sts::tenant:assumed-role/r/x`, `arn:aws:sts::${ACCOUNT}:assumed-role//x`],
];

/** Roles as people, clouds and attackers write them: valid ones, odd ones and wrong ones. */
export const ROLE_STRINGS: readonly string[] = [
  ...new Set([
    ...PARTITIONS.map((partition) => `arn:${partition}:iam::${ACCOUNT}:role/reports`),
    ...ACCOUNTS.map((account) => `arn:aws:iam::${account}:role/reports`),
    ...['minio', 'ceph', 'aws-cn'].map((partition) => `arn:${partition}:iam:::role/reports`),
    ...NAMES.map((name) => `arn:aws:iam::${ACCOUNT}:role/${name}`),
    ...SERVICES.map((service) => `arn:aws:${service}::${ACCOUNT}:role/reports`),
    ...REGIONS.map((region) => `arn:aws:iam:${region}:${ACCOUNT}:role/reports`),
    ...KINDS.map((kind) => `arn:aws:iam::${ACCOUNT}:${kind}/reports`),
    ...WHOLE,
  ]),
];
