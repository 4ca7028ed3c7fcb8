import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram, waitForProgram } from '../cluster/processes.ts';
import type { Program } from '../cluster/processes.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import { sendInsideNamespace } from '../cluster/namespace-request.ts';
import { defaultAudience, defaultRole, rolePolicy } from './cloud.ts';
import type { Cloud } from './cloud.ts';
import { writeCloud } from './cloud-file.ts';
import { seedCloud } from './seed-data.ts';
import { sendAsAdmin } from './signed-request.ts';

const policyName = 'agents';
const admin = { id: 'minio-admin', secret: 'minio-admin-secret' };

/** An issuer that MinIO trusts; `role` is the logical name of its only role. */
export type MinioIssuer = { role: string; issuer: string; audience: string };

export type MinioOptions = {
  /**
   * Trusted issuers, whose documents are published; default: the cluster's. MinIO distinguishes roles by
   * audience, so each issuer needs its own.
   */
  issuers?: MinioIssuer[];
};

/** Starts MinIO at port 9000 of the node's address with its objects; it trusts the cluster's issuer by default. */
export async function startMinio(cluster: Cluster, options: MinioOptions = {}): Promise<Cloud> {
  const own = { role: defaultRole, issuer: cluster.issuer, audience: defaultAudience };
  const { issuers = [own] } = options;
  const folder = join(cluster.folder, 'clouds', 'minio');
  const endpoint = `http://${cluster.nodeAddress}:9000`;
  const program = startServer(cluster, folder, issuers);
  await waitForProgram(program, async () => {
    const { status } = await sendInsideNamespace(cluster.namespace, {
      method: 'GET',
      url: `${endpoint}/minio/health/ready`,
    });
    return status === 200;
  });
  const cloud: Cloud = {
    name: 'minio',
    namespace: cluster.namespace,
    folder,
    stsEndpoint: endpoint,
    s3Endpoint: endpoint,
    audience: defaultAudience,
    region: 'us-east-1',
    dialect: 's3',
    adminAccessKeyId: admin.id,
    adminSecretAccessKey: admin.secret,
    processIds: [program.processId],
    log: program.log,
    roles: {},
  };
  // After a restart it reports readiness before it accepts changes.
  await waitForProgram(program, () => isPolicyCreated(cloud));
  await seedCloud(cloud);
  cloud.roles = await readRoles(program, issuers);
  writeCloud(cluster.folder, cloud);
  return cloud;
}

function startServer(cluster: Cluster, folder: string, issuers: MinioIssuer[]): Program {
  const authorities = join(folder, 'certs', 'CAs');
  mkdirSync(authorities, { recursive: true });
  copyFileSync(cluster.caCertificate, join(authorities, 'issuers.crt'));
  return startProgram({
    folder: cluster.folder,
    namespace: cluster.namespace,
    name: 'minio',
    command: cluster.programs.minio,
    args: [
      'server',
      '--address',
      `${cluster.nodeAddress}:9000`,
      '--certs-dir',
      join(folder, 'certs'),
      join(folder, 'data'),
    ],
    env: {
      HOME: folder,
      MINIO_ROOT_USER: admin.id,
      MINIO_ROOT_PASSWORD: admin.secret,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      ...Object.fromEntries(issuers.flatMap(buildIssuerSettings)),
    },
  });
}

/** The variables of the first issuer have no suffix; those of further ones do. */
function buildIssuerSettings(trusted: MinioIssuer, index: number): [string, string][] {
  const suffix = index === 0 ? '' : `_ISSUER${index}`;
  return [
    [
      `MINIO_IDENTITY_OPENID_CONFIG_URL${suffix}`,
      `${trusted.issuer}/.well-known/openid-configuration`,
    ],
    [`MINIO_IDENTITY_OPENID_CLIENT_ID${suffix}`, trusted.audience],
    [`MINIO_IDENTITY_OPENID_ROLE_POLICY${suffix}`, policyName],
  ];
}

async function isPolicyCreated(cloud: Cloud): Promise<boolean> {
  const path = `/minio/admin/v3/add-canned-policy?name=${policyName}`;
  const body = JSON.stringify(rolePolicy);
  const { status } = await sendAsAdmin(cloud, { service: 's3', method: 'PUT', path, body }, [503]);
  return status !== 503;
}

/** Reads the role ARNs that MinIO prints at its start; the name is a hash of the audience. */
async function readRoles(
  program: Program,
  issuers: MinioIssuer[],
): Promise<Record<string, string>> {
  const printed = (): string[] =>
    readFileSync(program.log, 'utf8').match(/arn:minio:iam:\S*:role\/[\w-]+/g) ?? [];
  const buildRoleArn = ({ audience }: MinioIssuer): string | undefined => {
    const hash = createHash('sha1').update(audience).digest('base64url');
    return printed().find((arn) => arn.endsWith(`/${hash}`));
  };
  await waitForProgram(
    program,
    () => issuers.every((issuer) => buildRoleArn(issuer) !== undefined),
    {
      timeoutMs: 30_000,
    },
  );
  return Object.fromEntries(issuers.map((issuer) => [issuer.role, buildRoleArn(issuer) ?? '']));
}
