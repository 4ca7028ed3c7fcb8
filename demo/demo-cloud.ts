import { buildTrustPolicy } from '../lib/grant/trust-policy.ts';
import { startEmbeddedCloud, type EmbeddedCloud } from '../test/fakes/cloud/embedded-cloud.ts';
import type { CleanupStack } from './cleanup-stack.ts';
import { CLOUD_AUDIENCE, REGION, TRUST_DOMAIN } from './demo-platform.ts';

const ROLE = 'arn:aws:iam:::role/agent-reports';

/**
 * Starts a cloud that trusts only the authority's issuer, not the issuer of the cluster.
 *
 * @param host where it listens: no loopback address, because the gateway sends nothing there
 */
export const startDemoCloud = async (
  host: string,
  authority: { readonly issuer: string; readonly roots: () => string },
  { defer }: CleanupStack,
): Promise<EmbeddedCloud> => {
  const { issuer, roots } = authority;
  const cloud = await startEmbeddedCloud({
    host,
    region: REGION,
    providers: [{ issuer, audiences: [CLOUD_AUDIENCE], roots }],
    roles: [
      {
        arn: ROLE,
        trustPolicy: JSON.stringify(buildRoleTrustPolicy(issuer)),
        policy: JSON.stringify(widePolicy),
      },
    ],
    buckets: {
      'acme-data': {
        'reports/q2.csv': 'quarter,revenue\nq2,40\n',
        'reports/q3.csv': 'quarter,revenue\nq3,42\n',
        'customers/globex/q3.csv': 'quarter,revenue\nq3,12\n',
        'secrets/keys.txt': 'not for agents\n',
      },
      'acme-other': { 'reports/q3.csv': 'quarter,revenue\nq3,7\n' },
    },
    now: Date.now,
  });
  defer(cloud.close);
  return cloud;
};

/** The trust policy that `kubectl valetkey trust-policy` prints: tasks of one namespace. */
const buildRoleTrustPolicy = (issuer: string): object =>
  buildTrustPolicy({
    issuer: { issuer, cloudAudience: CLOUD_AUDIENCE, trustDomain: TRUST_DOMAIN },
    dialect: 'aws',
    role: ROLE,
    trusted: { namespaces: ['default'], tags: {} },
    thumbprints: [],
  });

/** Permits far more than any task declares, because session policies restrict each run. */
const widePolicy = {
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: 's3:*', Resource: '*' },
};
