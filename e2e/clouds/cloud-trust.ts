import { publishUpstream } from '../cluster/issuer-documents.ts';
import { getJson, runKubectl } from '../cluster/kubectl.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import { defaultRole, rolePolicy } from './cloud.ts';
import type { Cloud } from './cloud.ts';
import { createOpenIdProvider, createRole, deleteOpenIdProvider } from './iam-requests.ts';
import { startMinio } from './minio.ts';
import { createBucket, putBucketPolicy } from './seed-data.ts';
import { stopCloud } from './cloud-startup.ts';

/** `aud` of grants: differs from the cluster's tokens, so that neither is accepted in place of the other. */
export const grantAudience = 'grants.example';
const authorityName = 'auth';
const authorityRolePlan = `${defaultRole}-by-grant`;
const agentSubjects = ['spiffe://cluster.local/ns/*/sa/agent/task/*'];

const optedInRolePlan = `${defaultRole}-opted-in`;
const revokerRolePlan = 'revoker';
/** A role for agents that opted in to the deny list (RGW only), and the role that may change it. */
export const optedInRole = `arn:aws:iam:::role/${optedInRolePlan}`;
export const revokerRole = `arn:aws:iam:::role/${revokerRolePlan}`;

const publisherRolePlan = 'publisher';
/** The role with which the authority exports its audit files, and their bucket (RGW only). */
export const publisherRole = `arn:aws:iam:::role/${publisherRolePlan}`;
export const auditBucket = 'valetkey-audit';
const rgwAdmin = 'arn:aws:iam:::user/admin';

/** Returns the issuer of grants, which is known before the authority is installed. */
export const getGrantIssuer = (cluster: Cluster): string =>
  new URL(authorityName, cluster.issuer).href;

/** Lets no one read the documents of the issuer of grants, until {@link trustAuthority} publishes them again. */
export const hideAuthorityIssuer = (cluster: Cluster): string =>
  publishUpstream(cluster, authorityName, 'https://127.0.0.1:1');

/** Makes the cloud trust the cluster: MinIO restarts for each issuer, RGW has a role for each. */
export async function trustCluster(cluster: Cluster, cloud: Cloud): Promise<Cloud> {
  if (cloud.name !== 'minio') return cloud;
  await stopCloud(cluster, cloud);
  return startMinio(cluster);
}

/**
 * Makes the cloud trust the installed authority, and its role `agent-reports` trust only the authority.
 *
 * @returns the cloud for the tests
 */
export async function trustAuthority(cluster: Cluster, cloud: Cloud): Promise<Cloud> {
  const issuer = publishUpstream(cluster, authorityName, await buildAuthorityUrl(cluster));
  if (cloud.name === 'minio') {
    await stopCloud(cluster, cloud);
    return startMinio(cluster, {
      issuers: [{ role: defaultRole, issuer, audience: grantAudience }],
    });
  }
  await registerKeys(cluster, cloud);
  const forAgents = { issuer, subjects: agentSubjects, policy: rolePolicy };
  const arn = await createRole(cloud, { name: authorityRolePlan, ...forAgents });
  await createRole(cloud, { name: optedInRolePlan, ...forAgents });
  await createRole(cloud, {
    name: revokerRolePlan,
    issuer,
    subjects: ['spiffe://cluster.local/authority'],
    policy: revokerPolicy,
  });
  await createAuditBucket(cloud);
  await createRole(cloud, {
    name: publisherRolePlan,
    issuer,
    subjects: ['spiffe://cluster.local/authority'],
    policy: publisherPolicy,
  });
  return { ...cloud, roles: { ...cloud.roles, [defaultRole]: arn } };
}

const revokerPolicy = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: ['iam:PutRolePolicy', 'iam:DeleteRolePolicy'],
      Resource: [optedInRole],
    },
  ],
};

const publisherPolicy = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: ['s3:PutObject', 's3:GetObject'],
      Resource: [`arn:aws:s3:::${auditBucket}/*`],
    },
  ],
};

/** An object belongs to the role that uploaded it: the owner of the bucket reads it by a policy of the bucket. */
async function createAuditBucket(cloud: Cloud): Promise<void> {
  await createBucket(cloud, auditBucket);
  await putBucketPolicy(cloud, auditBucket, {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: [rgwAdmin] },
        Action: ['s3:GetObject'],
        Resource: [`arn:aws:s3:::${auditBucket}/*`],
      },
    ],
  });
}

/** Registers the authority's keys by their certificates; RGW needs this again after each rotation. */
export async function registerKeys(cluster: Cluster, cloud: Cloud): Promise<void> {
  const issuer = getGrantIssuer(cluster);
  const path = '/api/v1/namespaces/valetkey/services/https:valetkey-authority:443/proxy/jwks';
  const { stdout } = await runKubectl(cluster, ['get', '--raw', path]);
  const { keys } = JSON.parse(stdout) as { keys: { x5c: string[] }[] };
  const x5c = keys[0]?.x5c[0];
  if (x5c === undefined)
    throw new Error('keys of the authority: expected one with x5c, found none');
  await deleteOpenIdProvider(cloud, issuer);
  await createOpenIdProvider(cloud, { issuer, audiences: [grantAudience], x5c });
}

async function buildAuthorityUrl(cluster: Cluster): Promise<string> {
  const where = ['service', 'valetkey-authority', '-n', 'valetkey'];
  const { spec } = await getJson<{ spec: { clusterIP: string } }>(cluster, where);
  return `https://${spec.clusterIP}`;
}
