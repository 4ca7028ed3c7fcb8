import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../test/kit/retry.ts';
import { runInside } from '../cluster/network-namespace.ts';
import { startProgram, waitForProgram } from '../cluster/processes.ts';
import type { Program } from '../cluster/processes.ts';
import type { Cluster } from '../cluster/cluster-file.ts';

/** One monitor, one OSD in memory and one RGW, all below one folder. */
export type Ceph = {
  cluster: Cluster;
  folder: string;
  config: string;
  opsLog: string;
  port: number;
};

export const rgwName = 'client.rgw.a';

export function describeCeph(cluster: Cluster, port: number): Ceph {
  const folder = join(cluster.folder, 'clouds', 'rgw');
  return {
    cluster,
    folder,
    port,
    config: join(folder, 'ceph.conf'),
    opsLog: join(folder, 'ops.log'),
  };
}

/** Creates folders and the configuration. */
export function prepareCeph(cluster: Cluster, port: number): Ceph {
  const ceph = describeCeph(cluster, port);
  const { folder } = ceph;
  for (const name of ['mon', 'osd', 'run', 'rgw', 'crash'])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(ceph.config, formatCephConfig(ceph));
  return ceph;
}

function formatCephConfig({ cluster, folder, opsLog, port }: Ceph): string {
  return `[global]
fsid = ${randomUUID()}
mon_initial_members = a
mon_host = ${cluster.nodeAddress}:6789
public_network = ${cluster.nodeAddress}/32
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_crit = 0
mon_max_pg_per_osd = 1000
run_dir = ${folder}/run
crash_dir = ${folder}/crash
admin_socket = ${folder}/run/$name.asok
log_file =
log_to_stderr = true
err_to_stderr = true
mon_cluster_log_file =
[mon]
mon_data = ${folder}/mon
# Nothing here outlives the cluster, so proposals need no pause to gather.
paxos_propose_interval = 0.05
[osd]
osd_data = ${folder}/osd
osd_objectstore = memstore
# A bound, not a reservation: e2e-full streams 1 GiB, and what it replaced is deleted later.
memstore_device_bytes = 8589934592
# We place it ourselves: its own call may come before it has the monitor's map ("wrong fsid"), and ends it.
osd_crush_update_on_start = false
osd_class_update_on_start = false
[${rgwName}]
rgw_data = ${folder}/rgw
rgw_frontends = beast endpoint=${cluster.nodeAddress}:${port}
rgw_enable_apis = s3, iam, sts, admin
rgw_s3_auth_use_sts = true
rgw_sts_key = abcdefghijklmnop
rgw_verify_ssl = false
rgw_enable_ops_log = true
rgw_ops_log_rados = false
rgw_ops_log_file_path = ${opsLog}
`;
}

/** Ceph programs run in the network namespace: outside, they wait 300 s for the monitor. */
export async function runCeph(
  at: Ceph,
  command: string,
  args: string[],
  timeoutMs = 60_000,
): Promise<string> {
  const { stdout } = await runInside(at.cluster.namespace, command, ['-c', at.config, ...args], {
    timeoutMs,
  });
  return stdout;
}

export async function startMonitor(at: Ceph): Promise<Program> {
  await runCeph(at, 'ceph-mon', ['--mkfs', '-i', 'a']);
  const program = startDaemon(at, 'ceph-mon', ['-i', 'a']);
  await waitForProgram(program, () =>
    runCeph(at, 'ceph', ['--connect-timeout', '5', 'mon', 'stat']),
  );
  return program;
}

export async function startOsd(at: Ceph): Promise<Program> {
  const id = randomUUID();
  await queryMonitor(at, ['osd', 'new', id]);
  await runCeph(at, 'ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', id]);
  await queryMonitor(at, ['osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=node']);
  const program = startDaemon(at, 'ceph-osd', ['-i', '0']);
  await waitForProgram(program, async () => {
    const { num_up_osds: up } = JSON.parse(
      await runCeph(at, 'ceph', ['osd', 'stat', '-f', 'json']),
    ) as { num_up_osds: number };
    return up === 1;
  });
  return program;
}

/** Runs `ceph`; retries, because a monitor that has just started may return EPERM. Calls must be idempotent. */
function queryMonitor(at: Ceph, args: string[]): Promise<string> {
  return waitFor(
    `ceph ${args.join(' ')}`,
    async () => (await runCeph(at, 'ceph', args)) || 'done',
    {
      timeoutMs: 30_000,
    },
  );
}

export function startGateway(at: Ceph): Program {
  return startDaemon(at, 'radosgw', ['-n', rgwName]);
}

/** Runs `radosgw-admin`, which prints JSON; retries, because it needs the gateway's pools. */
export function runRadosgwAdmin(at: Ceph, args: string[]): Promise<string> {
  return waitFor(`radosgw-admin ${args.join(' ')}`, () =>
    runCeph(at, 'radosgw-admin', ['-n', rgwName, ...args]),
  );
}

function startDaemon(at: Ceph, name: string, args: string[]): Program {
  return startProgram({
    folder: at.cluster.folder,
    namespace: at.cluster.namespace,
    name,
    command: `/usr/bin/${name}`,
    args: ['-f', '-c', at.config, ...args],
  });
}
