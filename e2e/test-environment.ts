import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildClients } from './clients/client-builds.ts';
import type { ClientName } from './clients/client-builds.ts';
import type { ClientCommand } from './clients/client-process.ts';
import type { SdkVersion } from './clients/sdk-versions.ts';
import type { Cloud } from './clouds/cloud.ts';
import { readCloud } from './clouds/cloud-file.ts';
import { startClouds } from './clouds/cloud-startup.ts';
import type { CloudName } from './clouds/cloud.ts';
import { stopTestCluster, readCluster, startTestCluster } from './cluster/cluster.ts';
import type { Cluster, ClusterAccess } from './cluster/cluster.ts';
import { buildPrograms, programNames } from './cluster/programs.ts';
import type { KubernetesVersion, ProgramName } from './cluster/programs.ts';
import type { Progress } from './cluster/progress.ts';
import { buildPythonCommand } from './python-root.ts';
import { runTestBuilds, type TestBuildName } from './test-builds.ts';
import { loadAgent, loadAwscli, loadValetkey } from './test-images.ts';

/** What the tests need: cluster, clouds, images, clients. Plain JSON. */
export type TestEnvironment = {
  cluster: ClusterAccess;
  /** The cluster on this machine, with its node's files, keys and processes. Undefined: external cluster. */
  node?: Cluster;
  /** Folder for files of the tests and the runner. */
  folder: string;
  helm: string;
  clouds: Cloud[];
  images: { valetkey: string; agent: string; awscli: string };
  imagePullPolicy: 'Never' | 'IfNotPresent';
  /** Command that starts awscli in its image. */
  awscliCommand: string[];
  /** Commands of the clients, for each SDK version to test. */
  clients: Partial<Record<SdkVersion, ClientCommands>>;
};

type ClientCommands = Record<ClientName, ClientCommand>;

type ClaimedEnvironment = { environment: TestEnvironment; release: () => Promise<void> };

type OwnClaim = {
  folder: string | undefined;
  keep: boolean;
  isFull: boolean;
  kubernetes: KubernetesVersion;
  /** Clouds of the selected matrix entries. */
  cloudNames: readonly CloudName[];
  /** Of the selected test files. */
  builds: readonly TestBuildName[];
};

/** Programs of `make release` and of single tests. */
const TOOLS: readonly ProgramName[] = [
  'prometheus',
  'actionlint',
  'cosign',
  'registry',
  'crane',
  'rclone',
  'vault',
  'collector',
  'vault-client',
];

/** Lists all programs, except tools and those of unused clouds. */
const programsFor = (cloudNames: readonly CloudName[]): ProgramName[] =>
  programNames.filter(
    (name) =>
      !TOOLS.includes(name) && (!MINIO_PROGRAMS.includes(name) || cloudNames.includes('minio')),
  );

const MINIO_PROGRAMS: readonly ProgramName[] = ['minio', 'mc'];

/** Starts a cluster and stops it on release, or uses the running one in `folder`. */
export const claimOwnEnvironment = async (
  progress: Progress,
  { folder, keep, isFull, kubernetes, cloudNames, builds }: OwnClaim,
): Promise<ClaimedEnvironment> => {
  // Mostly downloads, so they run in parallel with the start of the cluster.
  const building = buildTestClients(progress, { isFull, builds });
  building.catch(() => undefined);
  const programs = programsFor(cloudNames);
  const node =
    folder === undefined
      ? await startTestCluster({ progress, programs, kubernetes })
      : readCluster(folder);
  const release = async () => {
    if (!keep && folder === undefined) await stopTestCluster(node);
  };
  try {
    const clouds = await startOrReadClouds(node, cloudNames, progress);
    const clients = await building;
    const python = clients.newest.awscli.command;
    const valetkey = await loadValetkey(node);
    const agent = await loadAgent(node);
    const awscli = await loadAwscli(node, python);
    progress('images loaded');
    const environment: TestEnvironment = {
      cluster: node,
      node,
      folder: node.folder,
      helm: node.programs.helm,
      clouds,
      images: { valetkey, agent, awscli },
      imagePullPolicy: 'Never',
      awscliCommand: await buildPythonCommand(python, '-m', 'awscli'),
      clients,
    };
    return { environment, release };
  } catch (error) {
    await release();
    throw error;
  }
};

const buildTestClients = async (
  progress: Progress,
  { isFull, builds }: Pick<OwnClaim, 'isFull' | 'builds'>,
) => {
  const newest = await buildClients(progress, 'newest');
  await runTestBuilds(progress, builds);
  return isFull ? { newest, oldest: await buildClients(progress, 'oldest') } : { newest };
};

/** Starts the clouds, unless the cluster was used before and has them. */
const startOrReadClouds = async (
  node: Cluster,
  names: readonly CloudName[],
  progress: Progress,
): Promise<Cloud[]> => {
  return names.every((name) => existsSync(join(node.folder, `${name}.json`)))
    ? names.map((name) => readCloud(node.folder, name))
    : startClouds(node, progress, names);
};

/** The content of the file VALETKEY_E2E_ENVIRONMENT: docs/e2e.md. */
type ExternalEnvironment = Pick<TestEnvironment, 'images' | 'clouds' | 'awscliCommand'>;

/**
 * Uses an external cluster, whose owner provides images and clouds: docs/e2e.md.
 *
 * @throws Error if VALETKEY_E2E_ENVIRONMENT does not name a file
 */
export const claimExternalEnvironment = async (
  progress: Progress,
  { kubeconfig, isFull, builds }: { kubeconfig: string } & Pick<OwnClaim, 'isFull' | 'builds'>,
): Promise<ClaimedEnvironment> => {
  const file = process.env['VALETKEY_E2E_ENVIRONMENT'];
  if (file === undefined || !existsSync(file)) {
    throw new Error(
      'VALETKEY_E2E_ENVIRONMENT: expected a JSON file with images, awscliCommand and clouds (docs/e2e.md), got none',
    );
  }
  const { images, clouds, awscliCommand } = JSON.parse(
    readFileSync(file, 'utf8'),
  ) as ExternalEnvironment;
  const programs = await buildPrograms(progress, ['kubectl', 'helm']);
  const environment: TestEnvironment = {
    cluster: { kubeconfig, kubectlProgram: programs.kubectl },
    folder: mkdtempSync(join(tmpdir(), 'valetkey-e2e-')),
    helm: programs.helm,
    clouds,
    images,
    imagePullPolicy: 'IfNotPresent',
    awscliCommand,
    clients: await buildTestClients(progress, { isFull, builds }),
  };
  return { environment, release: () => Promise.resolve() };
};
