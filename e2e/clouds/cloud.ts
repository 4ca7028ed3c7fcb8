export type CloudName = 'minio' | 'rgw';

/** A cloud in the network of a cluster: plain JSON, so that other processes can read it. */
export type Cloud = {
  name: CloudName;
  /** The cluster's network namespace: a child process there sends requests. */
  namespace: string;
  folder: string;
  stsEndpoint: string;
  s3Endpoint: string;
  /** The required `aud` of tokens. */
  audience: string;
  region: string;
  dialect: 's3';
  adminAccessKeyId: string;
  adminSecretAccessKey: string;
  processIds: number[];
  log: string;
  /** RGW's operations log: one JSON line for each request. */
  opsLog?: string;
  /** Logical name → ARN. */
  roles: Record<string, string>;
  /** External clouds only: the `iss` of grants that it trusts. Undefined: it trusts the cluster. */
  grantIssuer?: string;
};

/** Temporary credentials of STS. */
export type SessionCredentials = {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  /** ISO 8601. Differs from the SDK's member name, whose type is Date. */
  expiresAt: string;
};

export const defaultAudience = 'sts.amazonaws.com';
/** The initial role of every cloud: all of S3 on both buckets. */
export const defaultRole = 'agent-reports';
export const buckets = ['acme-data', 'acme-other'] as const;

/** The initial objects of every cloud: bucket/key → body. */
export const objects: Record<string, string> = {
  'acme-data/reports/q3.csv': 'quarter,revenue\nq3,42\n',
  'acme-data/secrets/keys.txt': 'not for agents\n',
  'acme-other/reports/q3.csv': 'quarter,revenue\nq3,7\n',
  'acme-other/secrets/keys.txt': 'not for agents either\n',
};

/** The policy of the role, which session policies narrow. */
export const rolePolicy = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: ['s3:*'],
      Resource: buckets.flatMap((bucket) => [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]),
    },
  ],
};
