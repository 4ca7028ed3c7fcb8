import { readCertificateBody } from '../cluster/issuer-documents.ts';
import { waitForProgram } from '../cluster/processes.ts';
import type { Program } from '../cluster/processes.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import { sendInsideNamespace } from '../cluster/namespace-request.ts';
import {
  describeCeph,
  prepareCeph,
  runRadosgwAdmin,
  startGateway,
  startMonitor,
  startOsd,
} from './ceph.ts';
import type { Ceph } from './ceph.ts';
import { defaultAudience, defaultRole, rolePolicy } from './cloud.ts';
import type { Cloud } from './cloud.ts';
import { createOpenIdProvider, createRole } from './iam-requests.ts';
import { writeCloud } from './cloud-file.ts';
import { seedCloud } from './seed-data.ts';

export {
  createOpenIdProvider,
  createRole,
  deleteRolePolicy,
  putRolePolicy,
} from './iam-requests.ts';

const port = 7480;
const admin = { id: 'rgw-admin', secret: 'rgw-admin-secret' };

/** Starts Ceph RGW at port 7480 of the node's address with its objects; it trusts the cluster's issuer. */
export async function startRgw(cluster: Cluster): Promise<Cloud> {
  const ceph = prepareCeph(cluster, port);
  const monitor = await startMonitor(ceph);
  const osd = await startOsd(ceph);
  const gateway = startGateway(ceph);
  const cloud = describeCloud(ceph, [monitor, osd, gateway], gateway.log);
  await waitForGateway(gateway, cloud);
  await createAdmin(ceph);
  await Promise.all([seedCloud(cloud), trustCluster(cloud, cluster)]);
  writeCloud(cluster.folder, cloud);
  return cloud;
}

/** Starts the gateway with its data after `stopCloud`; updates the process id of `cloud`. */
export async function resumeRgw(cluster: Cluster, cloud: Cloud): Promise<void> {
  const gateway = startGateway(describeCeph(cluster, port));
  cloud.processIds = [...cloud.processIds.slice(0, -1), gateway.processId];
  await waitForGateway(gateway, cloud);
  writeCloud(cluster.folder, cloud);
}

async function waitForGateway(gateway: Program, cloud: Cloud): Promise<void> {
  await waitForProgram(gateway, async () => {
    const { status } = await sendInsideNamespace(cloud.namespace, {
      method: 'GET',
      url: cloud.s3Endpoint,
    });
    return status === 200;
  });
}

function describeCloud(ceph: Ceph, programs: Program[], log: string): Cloud {
  const endpoint = `http://${ceph.cluster.nodeAddress}:${port}`;
  return {
    name: 'rgw',
    namespace: ceph.cluster.namespace,
    folder: ceph.folder,
    stsEndpoint: endpoint,
    s3Endpoint: endpoint,
    audience: defaultAudience,
    region: 'us-east-1',
    dialect: 's3',
    adminAccessKeyId: admin.id,
    adminSecretAccessKey: admin.secret,
    processIds: programs.map(({ processId }) => processId),
    log,
    opsLog: ceph.opsLog,
    roles: {},
  };
}

async function createAdmin(ceph: Ceph): Promise<void> {
  const keys = [`--access-key=${admin.id}`, `--secret-key=${admin.secret}`];
  const rights = ['--caps=roles=*;oidc-provider=*;user-policy=*'];
  await runRadosgwAdmin(ceph, [
    'user',
    'create',
    '--uid=admin',
    '--display-name=admin',
    ...keys,
    ...rights,
  ]);
}

async function trustCluster(cloud: Cloud, cluster: Cluster): Promise<void> {
  const { issuer, clusterSigningCertificate } = cluster;
  const x5c = readCertificateBody(clusterSigningCertificate);
  await createOpenIdProvider(cloud, { issuer, audiences: [defaultAudience], x5c });
  await createRole(cloud, {
    name: defaultRole,
    issuer,
    serviceAccounts: ['*:agent'],
    policy: rolePolicy,
  });
}
