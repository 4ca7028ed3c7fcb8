import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const oldestGo = [1, 25] as const;

/** Lists everything that this machine is missing for a cluster. */
export function checkPrerequisites(): string[] {
  const faults = [
    checkLinux(),
    checkRoot(),
    checkApt(),
    checkGo(),
    checkCgroups(),
    checkNamespaces(),
  ];
  return faults.filter((fault) => fault !== undefined);
}

function checkLinux(): string | undefined {
  if (process.platform === 'linux') return undefined;
  return `operating system: expected Linux, got ${process.platform}`;
}

function checkRoot(): string | undefined {
  const user = process.getuid?.();
  return user === 0
    ? undefined
    : `user: expected root (containers, namespaces), got uid ${user ?? 'unknown'}`;
}

function checkApt(): string | undefined {
  if (existsSync('/usr/bin/apt-get')) return undefined;
  return 'apt-get: expected Debian 12 or a derivative (containerd, etcd and Ceph come from its packages)';
}

function checkGo(): string | undefined {
  const wanted = `Go: expected ${oldestGo.join('.')} or newer on PATH (Kubernetes and MinIO are built here)`;
  try {
    const said = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim();
    const [major = 0, minor = 0] = said
      .replace(/^go/, '')
      .split('.')
      .map((part) => Number.parseInt(part, 10));
    const isEnough = major > oldestGo[0] || (major === oldestGo[0] && minor >= oldestGo[1]);
    return isEnough ? undefined : `${wanted}, got ${said}`;
  } catch {
    return `${wanted}, got none`;
  }
}

function checkCgroups(): string | undefined {
  const mounts = existsSync('/proc/mounts') ? readFileSync('/proc/mounts', 'utf8') : '';
  const isMounted = / \/sys\/fs\/cgroup\S* cgroup2? /.test(mounts);
  return isMounted
    ? undefined
    : 'cgroups: expected v1 or v2 mounted under /sys/fs/cgroup, got none';
}

function checkNamespaces(): string | undefined {
  if (existsSync('/proc/self/ns/net')) return undefined;
  return 'network namespaces: expected /proc/self/ns/net, got a kernel without them';
}
