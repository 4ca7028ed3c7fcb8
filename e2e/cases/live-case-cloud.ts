import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SignJWT } from 'jose';
import { buildServiceAccountJwk } from '../cluster/issuer-documents.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import type { Cloud } from '../clouds/cloud.ts';
import { createBucket, putObject } from '../clouds/seed-data.ts';
import { CASE_OBJECTS, CASE_SUBJECT, type CaseCloud, type TokenVariation } from './case-cloud.ts';

/** Adapts a running cloud for the cases, and creates the bucket to which its role has no access. */
export const createLiveCaseCloud = async (cloud: Cloud, cluster: Cluster): Promise<CaseCloud> => {
  await createBucket(cloud, 'acme-closed');
  const key = 'reports/q3.csv';
  await putObject(cloud, `acme-closed/${key}`, CASE_OBJECTS['acme-closed'][key]);
  return {
    name: cloud.name,
    stsEndpoint: cloud.stsEndpoint,
    s3Endpoint: cloud.s3Endpoint,
    region: cloud.region,
    roleArn: cloud.roles['agent-reports'] ?? '',
    // A connection of the node to itself.
    sourceIp: cluster.nodeAddress,
    token: createTokenIssuer(cluster, cloud.audience),
  };
};

/** Signs tokens with the API server's key, so that every claim can be varied. */
const createTokenIssuer = (cluster: Cluster, audience: string): CaseCloud['token'] => {
  const key = createPrivateKey(readFileSync(cluster.clusterSigningKey));
  const forgery = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const kid = readKeyId(cluster);
  return (variation: TokenVariation = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const lifetime = variation.lifetimeSeconds ?? 600;
    return new SignJWT({
      iss: variation.issuer ?? cluster.issuer,
      sub: variation.subject ?? CASE_SUBJECT,
      aud: [variation.audience ?? audience],
      iat: now + Math.min(0, lifetime) - 1,
      exp: now + lifetime,
    })
      .setProtectedHeader({ alg: 'RS256', kid })
      .sign(variation.forged === true ? forgery : key);
  };
};

const readKeyId = (cluster: Cluster): string => {
  const keys = {
    key: cluster.clusterSigningKey,
    publicKey: cluster.clusterSigningKey,
    certificate: cluster.clusterSigningCertificate,
  };
  return String(buildServiceAccountJwk(keys)['kid']);
};
