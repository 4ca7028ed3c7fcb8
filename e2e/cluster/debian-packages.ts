import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { runCommand } from './command.ts';
import type { Progress } from './progress.ts';

/** Debian package → a file that shows that it is installed. */
type DebianPackages = Readonly<Record<string, string>>;

const clusterPackages: DebianPackages = {
  containerd: '/usr/bin/containerd',
  runc: '/usr/sbin/runc',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  iptables: '/usr/sbin/iptables',
  'etcd-server': '/usr/bin/etcd',
  'busybox-static': '/bin/busybox',
  iproute2: '/usr/sbin/ip',
  'postgresql-15': '/usr/lib/postgresql/15/bin/postgres',
  'util-linux': '/usr/bin/nsenter',
  openssl: '/usr/bin/openssl',
  curl: '/usr/bin/curl',
  radosgw: '/usr/bin/radosgw',
  'ceph-mon': '/usr/bin/ceph-mon',
  'ceph-osd': '/usr/bin/ceph-osd',
  'ceph-common': '/usr/bin/ceph',
};

const servicePolicy = '/usr/sbin/policy-rc.d';

/** For tests that restore etcd. */
export const etcdctlPackages: DebianPackages = { 'etcd-client': '/usr/bin/etcdctl' };

/** For `make chart`. */
export const promtoolPackages: DebianPackages = { prometheus: '/usr/bin/promtool' };

/** For tests with a browser. */
export const chromiumPackages: DebianPackages = { chromium: '/usr/bin/chromium' };

/** For tests that dump a process. */
export const debuggerPackages: DebianPackages = { gdb: '/usr/bin/gcore' };

/** For `make release-check`, which runs the programs of images for other platforms. */
export const emulatorPackages: DebianPackages = {
  'qemu-user-static': '/usr/bin/qemu-aarch64-static',
};

let lastInstallation: Promise<void> = Promise.resolve();

/** Installs missing packages, and prevents them from starting their services. Concurrent calls wait for each other. */
export function installDebianPackages(
  progress: Progress,
  packages = clusterPackages,
): Promise<void> {
  const installation = lastInstallation.then(() => installMissing(progress, packages));
  lastInstallation = installation.catch(() => undefined);
  return installation;
}

async function installMissing(progress: Progress, packages: DebianPackages): Promise<void> {
  const missing = Object.keys(packages).filter((name) => !existsSync(packages[name] ?? ''));
  if (missing.length === 0) return;
  progress(`installing Debian packages: ${missing.join(' ')}`);
  const isOurs = forbidServices();
  try {
    await runApt(['update']);
    await runApt(['install', '-y', '--no-install-recommends', ...missing]);
  } finally {
    if (isOurs) rmSync(servicePolicy);
  }
  const absent = missing.filter((name) => !existsSync(packages[name] ?? ''));
  if (absent.length > 0)
    throw new Error(`apt-get install succeeded, yet these show no program: ${absent.join(' ')}`);
  progress('Debian packages installed');
}

async function runApt(args: string[]): Promise<void> {
  await runCommand('apt-get', args, {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    timeoutMs: 15 * 60_000,
  });
}

/** Makes invoke-rc.d refuse every start; returns false if the machine already has a policy. */
function forbidServices(): boolean {
  if (existsSync(servicePolicy)) return false;
  writeFileSync(servicePolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  return true;
}
