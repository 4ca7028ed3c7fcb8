export type CloudName = 'minio' | 'rgw';

/** A cloud that runs beside a cluster, in its network: plain JSON, so that other processes can read it. */
export type Cloud = {
  name: CloudName;
  /** The cluster's network namespace: requests from elsewhere are made by a child in it. */
  namespace: string;
  folder: string;
  stsEndpoint: string;
  s3Endpoint: string;
  /** What a token's `aud` has to be. */
  audience: string;
  region: string;
  dialect: 's3';
  adminAccessKeyId: string;
  adminSecretAccessKey: string;
  processIds: number[];
  log: string;
  /** RGW's own record: one JSON line for each request. */
  opsLog?: string;
  /** Logical name → ARN. */
  roles: Record<string, string>;
  /** Of somebody else's cloud: the `iss` of grants that it trusts. Absent: it trusts the cluster. */
  grantIssuer?: string;
};

/** Temporary credentials as STS gives them. */
export type SessionCredentials = {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  /** ISO 8601. Not named as the SDK names it: the SDK wants a Date there. */
  expiresAt: string;
};

export const defaultAudience = 'sts.amazonaws.com';
/** The role that every cloud has from the start: all of S3 on all of both buckets. */
export const defaultRole = 'agent-reports';
export const buckets = ['acme-data', 'acme-other'] as const;

/** Bucket/key → body: what every cloud holds from the start. */
export const objects: Record<string, string> = {
  'acme-data/reports/q3.csv': 'quarter,revenue\nq3,42\n',
  'acme-data/secrets/keys.txt': 'not for agents\n',
  'acme-other/reports/q3.csv': 'quarter,revenue\nq3,7\n',
  'acme-other/secrets/keys.txt': 'not for agents either\n',
};

/** Session policies do the narrowing; the role itself is wide. */
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
