import { startEmbeddedCloud, type EmbeddedCloud } from '../embedded-cloud/cloud.ts';
import { startLocalIssuer, type LocalIssuer } from '../embedded-cloud/issuer.ts';
import type { Closing } from './closing.ts';

export const AUDIENCE = 'sts.amazonaws.com';
export const REGION = 'eu-central-1';
const SUBJECT = 'system:serviceaccount:default:agent';
const ROLE = 'arn:aws:iam::111122223333:role/agent-reports';

export type CloudStage = { readonly issuer: LocalIssuer; readonly cloud: EmbeddedCloud };

/** Starts an issuer in the cluster's stead and a cloud that trusts it. */
export const startCloudStage = async ({ defer }: Closing): Promise<CloudStage> => {
  const issuer = await startLocalIssuer(Date.now);
  defer(issuer.close);
  const cloud = await startEmbeddedCloud({
    region: REGION,
    providers: [{ issuer: issuer.issuer, audiences: [AUDIENCE] }],
    roles: [
      { arn: ROLE, trustPolicy: JSON.stringify(trustPolicy(issuer)), policy: JSON.stringify(wide) },
    ],
    buckets: {
      'acme-data': {
        'reports/q3.csv': 'quarter,revenue\nq3,42\n',
        'secrets/keys.txt': 'not for agents\n',
      },
      'acme-other': { 'reports/q3.csv': 'quarter,revenue\nq3,7\n' },
    },
    now: Date.now,
  });
  defer(cloud.close);
  return { issuer, cloud };
};

/** What the kubelet would project: a token for one pod, for the sidecar alone. */
export const projectToken = ({ issuer }: CloudStage): Promise<string> => {
  const now = Math.floor(Date.now() / 1000);
  return issuer.sign({
    sub: SUBJECT,
    aud: [AUDIENCE],
    nbf: now,
    exp: now + 3600,
    'kubernetes.io': {
      namespace: 'default',
      pod: { name: 'agent', uid: POD_UID },
      serviceaccount: { name: 'agent' },
    },
  });
};

export const POD_UID = '6f1c1f4e-5d0b-4c55-9a33-0f4d6e3c2b1a';

const trustPolicy = ({ issuer }: LocalIssuer): object => {
  const provider = issuer.replace(/^https?:\/\//, '');
  return {
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Principal: { Federated: `arn:aws:iam::111122223333:oidc-provider/${provider}` },
      Action: 'sts:AssumeRoleWithWebIdentity',
      Condition: {
        StringEquals: { [`${provider}:sub`]: SUBJECT, [`${provider}:aud`]: AUDIENCE },
      },
    },
  };
};

/** Far more than any task declares: the session policies do the narrowing. */
const wide = {
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: 's3:*', Resource: '*' },
};
