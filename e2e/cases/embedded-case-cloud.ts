import { startEmbeddedCloud } from '../../test/fakes/cloud/embedded-cloud.ts';
import { startLocalIssuer } from '../../test/fakes/cloud/local-issuer.ts';
import {
  CASE_AUDIENCE,
  CASE_OBJECTS,
  CASE_SUBJECT,
  ROLE_POLICY,
  type CaseCloud,
} from './case-cloud.ts';

/** Starts the embedded cloud, and an issuer that it trusts. */
export const startEmbeddedCaseCloud = async (): Promise<{
  readonly cloud: CaseCloud;
  readonly close: () => Promise<void>;
}> => {
  const issuer = await startLocalIssuer(Date.now);
  const roleArn = 'arn:aws:iam::111122223333:role/agent-reports';
  const embedded = await startEmbeddedCloud({
    region: 'us-east-1',
    providers: [{ issuer: issuer.issuer, audiences: [CASE_AUDIENCE] }],
    roles: [
      {
        arn: roleArn,
        trustPolicy: buildTrustPolicy(issuer.issuer),
        policy: JSON.stringify(ROLE_POLICY),
        maxSessionSeconds: 43_200,
      },
    ],
    buckets: CASE_OBJECTS,
    now: Date.now,
  });
  const cloud: CaseCloud = {
    name: 'embedded',
    stsEndpoint: embedded.endpoint,
    s3Endpoint: embedded.endpoint,
    region: 'us-east-1',
    roleArn,
    sourceIp: '127.0.0.1',
    token: ({ subject, audience, issuer: other, lifetimeSeconds = 600, forged = false } = {}) => {
      const exp = Math.floor(Date.now() / 1000) + lifetimeSeconds;
      const claims = { sub: subject ?? CASE_SUBJECT, aud: audience ?? CASE_AUDIENCE, exp };
      return issuer.sign({ ...claims, ...(other !== undefined && { iss: other }) }, { forged });
    },
  };
  const close = async () => {
    await Promise.all([embedded.close(), issuer.close()]);
  };
  return { cloud, close };
};

const buildTrustPolicy = (issuer: string): string => {
  const provider = issuer.replace(/^https?:\/\//, '');
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::111122223333:oidc-provider/${provider}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            [`${provider}:sub`]: CASE_SUBJECT,
            [`${provider}:aud`]: CASE_AUDIENCE,
          },
        },
      },
    ],
  });
};
