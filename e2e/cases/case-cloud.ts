/** Every cloud that runs the table of cases. */
export type CloudName = 'embedded' | 'minio' | 'rgw';

/** How a token differs from a valid one for the subject of the role. */
export type TokenVariation = {
  readonly subject?: string;
  readonly audience?: string;
  readonly issuer?: string;
  /** Negative if it has expired. */
  readonly lifetimeSeconds?: number;
  /** Signed by an unpublished key, with the id of a published one. */
  readonly forged?: boolean;
};

/**
 * A cloud for the cases. It has {@link CASE_OBJECTS}; the policy of its role allows all of S3 on the
 * buckets of {@link ROLE_BUCKETS}, and its trust policy names one service account.
 */
export type CaseCloud = {
  readonly name: CloudName;
  readonly stsEndpoint: string;
  readonly s3Endpoint: string;
  readonly region: string;
  readonly roleArn: string;
  /** The source address that the cloud sees. */
  readonly sourceIp: string;
  readonly token: (variation?: TokenVariation) => Promise<string>;
};

export const ROLE_BUCKETS = ['acme-data', 'acme-other'] as const;

/** Bucket → key → content. The role has no access to `acme-closed`. */
export const CASE_OBJECTS = {
  'acme-data': {
    'reports/q3.csv': 'quarter,revenue\nq3,42\n',
    'secrets/keys.txt': 'not for agents\n',
  },
  'acme-other': {
    'reports/q3.csv': 'quarter,revenue\nq3,7\n',
    'secrets/keys.txt': 'not for agents either\n',
  },
  'acme-closed': { 'reports/q3.csv': 'quarter,revenue\nq3,0\n' },
} as const;

/** The policy of the role; session policies narrow it. */
export const ROLE_POLICY = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: ['s3:*'],
      Resource: ROLE_BUCKETS.flatMap((name) => [`arn:aws:s3:::${name}`, `arn:aws:s3:::${name}/*`]),
    },
  ],
};

/** The subject in the trust policy of the role. */
export const CASE_SUBJECT = 'system:serviceaccount:default:agent';
export const CASE_AUDIENCE = 'sts.amazonaws.com';
