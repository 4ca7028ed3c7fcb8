import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { getCacheFolder } from './host-environment.ts';
import { runCommand } from './command.ts';
import type { Progress } from './progress.ts';

/** Versions of Kubernetes that a cluster can run; the first one is the default. */
export const kubernetesVersions = ['1.35', '1.30'] as const;
export type KubernetesVersion = (typeof kubernetesVersions)[number];

/** @param given undefined: the default @throws Error if it is none of {@link kubernetesVersions} */
export const parseKubernetesVersion = (given: string | undefined): KubernetesVersion => {
  const version = kubernetesVersions.find((each) => each === (given ?? kubernetesVersions[0]));
  if (version !== undefined) return version;
  throw new Error(`--kubernetes: expected ${kubernetesVersions.join(' or ')}, got ${given ?? ''}`);
};

/** Without a version, the components reject each other because of version skew. */
const buildVersionFlags = (version: string): string => {
  const [major, minor] = version.split('.');
  const variables = { gitVersion: `v${version}`, gitMajor: major, gitMinor: minor };
  const set = Object.entries(variables).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  return ['-s -w', ...set].join(' ');
};

/** What differs between versions of Kubernetes; kubectl is that of the default. */
const clusterPrograms = {
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
  kubelet: 'k8s.io/kubernetes/cmd/kubelet',
  'kube-proxy': 'k8s.io/kubernetes/cmd/kube-proxy',
} as const;

/**
 * Our Go modules: linker flags, build tags, and the package of each program. Helm and CoreDNS are in the module of
 * Kubernetes, so that shared libraries are compiled once.
 */
const modules = {
  kubernetes: {
    ldflags: buildVersionFlags('1.35.4'),
    programs: {
      ...clusterPrograms,
      kubectl: 'k8s.io/kubernetes/cmd/kubectl',
      helm: 'helm.sh/helm/v3/cmd/helm',
      coredns: './coredns',
    },
  },
  'kubernetes-1.30': {
    ldflags: buildVersionFlags('1.30.14'),
    // Without the cloud providers that this version still has in its tree.
    tags: 'providerless',
    programs: clusterPrograms,
  },
  // The guide for MinIO uses its client, which is in the modules of the server.
  minio: {
    ldflags: '-s -w',
    programs: { minio: 'github.com/minio/minio', mc: 'github.com/minio/mc' },
  },
  // With the service discovery of Kubernetes, which the package of Debian lacks; the others are most of its dependencies.
  prometheus: {
    ldflags: '-s -w',
    tags: 'remove_all_sd,enable_kubernetes_sd',
    programs: { prometheus: 'github.com/prometheus/prometheus/cmd/prometheus' },
  },
  registry: {
    ldflags: '-s -w',
    programs: {
      registry: 'github.com/distribution/distribution/v3/cmd/registry',
      crane: 'github.com/google/go-containerregistry/cmd/crane',
    },
  },
  // With a receiver for OTLP and an exporter of its own: the tests read the file that it writes.
  collector: { ldflags: '-s -w', programs: { collector: '.' } },
  // With the libraries of every cloud, whose keys it can use.
  cosign: {
    ldflags: '-s -w',
    programs: { cosign: 'github.com/sigstore/cosign/v2/cmd/cosign' },
  },
  actionlint: {
    ldflags: '-s -w',
    programs: { actionlint: 'github.com/rhysd/actionlint/cmd/actionlint' },
  },
  // With its backends for S3 and local files: the others link the libraries of every cloud.
  rclone: { ldflags: '-s -w', programs: { rclone: '.' } },
  // Built without Vault's own plugins, which would link the libraries of every cloud.
  vault: { ldflags: '-s -w', programs: { vault: '.', 'vault-client': './vault-client' } },
} as const;

type ModuleName = keyof typeof modules;
export type ProgramName = {
  [M in ModuleName]: keyof (typeof modules)[M]['programs'];
}[ModuleName];
export type Programs = Record<ProgramName, string>;

const moduleNames = Object.keys(modules) as ModuleName[];
const getTags = (module: ModuleName): string => {
  const source = modules[module];
  return 'tags' in source ? source.tags : '';
};
const packagesByModule = (module: ModuleName): Record<string, string> => modules[module].programs;

export const programNames = [
  ...new Set(moduleNames.flatMap((module) => Object.keys(packagesByModule(module)))),
] as ProgramName[];

/**
 * Builds the named programs that the cache does not have (cold: minutes), modules in parallel. Returns the
 * path of every program, built or not.
 */
export async function buildPrograms(
  progress: Progress,
  names: readonly ProgramName[] = programNames,
  kubernetes: KubernetesVersion = kubernetesVersions[0],
): Promise<Programs> {
  const missing = names.filter((name) => !existsSync(getProgramPath(name, kubernetes)));
  if (missing.length > 0) {
    progress(`building ${missing.join(', ')} (once; takes minutes if the Go cache is cold)`);
    const owned = moduleNames.map((module) => ({
      module,
      programs: missing.filter((name) => findModule(name, kubernetes) === module),
    }));
    await Promise.all(
      owned
        .filter(({ programs }) => programs.length > 0)
        .map(({ module, programs }) => buildFrom(module, programs)),
    );
    progress('programs built');
  }
  return Object.fromEntries(
    programNames.map((name) => [name, getProgramPath(name, kubernetes)]),
  ) as Programs;
}

/** Returns the path of a program, built or not. */
export function getProgramPath(
  name: ProgramName,
  kubernetes: KubernetesVersion = kubernetesVersions[0],
): string {
  return join(getModuleFolder(findModule(name, kubernetes)), name);
}

function findModule(name: ProgramName, kubernetes: KubernetesVersion): ModuleName {
  const ofVersion = moduleNames.filter((each) => each === `kubernetes-${kubernetes}`);
  const shared = moduleNames.filter((each) => !each.startsWith('kubernetes-'));
  const module = [...ofVersion, ...shared].find((each) =>
    Object.hasOwn(packagesByModule(each), name),
  );
  if (module === undefined)
    throw new Error(`program: expected one of ${programNames.join(', ')}, got ${name}`);
  return module;
}

/** Concurrent runs are safe: each moves complete and identical programs into place. */
async function buildFrom(module: ModuleName, names: readonly ProgramName[]): Promise<void> {
  const folder = getModuleFolder(module);
  const unfinished = `${folder}.unfinished-${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  mkdirSync(folder, { recursive: true });
  try {
    await runGoBuild(module, names, unfinished);
    for (const name of names) renameSync(join(unfinished, name), join(folder, name));
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function runGoBuild(
  module: ModuleName,
  names: readonly ProgramName[],
  output: string,
): Promise<void> {
  const { ldflags } = modules[module];
  // The linker drops debug information (-w), so the compiler need not create it.
  const flags = ['-trimpath', '-buildvcs=false', '-gcflags=all=-dwarf=false', '-ldflags', ldflags];
  flags.push('-tags', getTags(module));
  const packages = names.map((name) => packagesByModule(module)[name] ?? '');
  await runCommand('go', ['build', ...flags, '-o', `${output}/`, ...packages], {
    cwd: getSourceFolder(module),
    env: { CGO_ENABLED: '0', GOFLAGS: '' },
    timeoutMs: 60 * 60_000,
  });
}

function getModuleFolder(name: ModuleName): string {
  const hash = createHash('sha256').update(modules[name].ldflags).update(process.arch);
  hash.update(getTags(name));
  const source = getSourceFolder(name);
  const files = ['go.mod', 'go.sum', 'main.go', 'coredns/main.go', 'vault-client/main.go'].map(
    (file) => join(source, file),
  );
  for (const file of files) if (existsSync(file)) hash.update(readFileSync(file));
  return join(getCacheFolder(), 'programs', `${name}-${hash.digest('hex').slice(0, 16)}`);
}

function getSourceFolder(name: ModuleName): string {
  return join(import.meta.dirname, 'go', name);
}
