/** Every cloud that must answer the table of cases. */
export type CloudName = 'embedded' | 'minio' | 'rgw';

/** How a token differs from a good one for the role's subject. */
export type TokenVariation = {
  readonly subject?: string;
  readonly audience?: string;
  readonly issuer?: string;
  /** Negative: expired so long ago. */
  readonly lifetimeSeconds?: number;
  /** Signed by a key that the issuer does not publish, under the id of one that it does. */
  readonly forged?: boolean;
};

/**
 * A cloud as the cases see it. It holds {@link CASE_OBJECTS}; its role's policy allows all of S3
 * on the buckets of {@link ROLE_BUCKETS}, and its trust policy names one service account.
 */
export type CaseCloud = {
  readonly name: CloudName;
  readonly stsEndpoint: string;
  readonly s3Endpoint: string;
  readonly region: string;
  readonly roleArn: string;
  /** Our address as the cloud sees it. */
  readonly sourceIp: string;
  readonly token: (variation?: TokenVariation) => Promise<string>;
};

export const ROLE_BUCKETS = ['acme-data', 'acme-other'] as const;

/** Bucket → key → content. The role reaches nothing in `acme-closed`. */
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

/** What the role may do: session policies do the narrowing. */
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

/** The subject that the role's trust policy names. */
export const CASE_SUBJECT = 'system:serviceaccount:default:agent';
export const CASE_AUDIENCE = 'sts.amazonaws.com';
