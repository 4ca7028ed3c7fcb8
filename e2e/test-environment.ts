import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAwscliCommand } from './awscli-root.ts';
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
import type { ProgramName } from './cluster/programs.ts';
import type { Progress } from './cluster/progress.ts';
import { loadAgent, loadAwscli, loadValetkey } from './test-images.ts';

/** What stories stand on: plain JSON. */
export type TestEnvironment = {
  cluster: ClusterAccess;
  /** Our own cluster: its node's files, keys and processes can be looked at. Absent: somebody else's. */
  node?: Cluster;
  /** For what stories and their runner write. */
  folder: string;
  helm: string;
  clouds: Cloud[];
  images: { valetkey: string; agent: string; awscli: string };
  imagePullPolicy: 'Never' | 'IfNotPresent';
  /** Starts awscli in its image. */
  awscliCommand: string[];
  /** Of each edition that the stories are to play. */
  clients: Partial<Record<SdkVersion, ClientCommands>>;
};

type ClientCommands = Record<ClientName, ClientCommand>;

type ClaimedEnvironment = { environment: TestEnvironment; release: () => Promise<void> };

type OwnClaim = {
  folder: string | undefined;
  keep: boolean;
  isFull: boolean;
  /** Clouds that the selected passes use. */
  cloudNames: readonly CloudName[];
};

/** Every program but those of clouds that no pass uses. */
const programsFor = (cloudNames: readonly CloudName[]): ProgramName[] =>
  programNames.filter((name) => name !== 'minio' || cloudNames.includes(name));

/** A cluster of ours: started and taken down, or one that stands in `folder` already. */
export const claimOwnEnvironment = async (
  progress: Progress,
  { folder, keep, isFull, cloudNames }: OwnClaim,
): Promise<ClaimedEnvironment> => {
  // Mostly downloads: they need not wait for the cluster, nor it for them.
  const building = buildTestClients(progress, isFull);
  building.catch(() => undefined);
  const programs = programsFor(cloudNames);
  const node =
    folder === undefined ? await startTestCluster({ progress, programs }) : readCluster(folder);
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
      awscliCommand: await buildAwscliCommand(python),
      clients,
    };
    return { environment, release };
  } catch (error) {
    await release();
    throw error;
  }
};

const buildTestClients = async (progress: Progress, isFull: boolean) => {
  const newest = await buildClients(progress, 'newest');
  return isFull ? { newest, oldest: await buildClients(progress, 'oldest') } : { newest };
};

/** A cluster that was up before may have its clouds already. */
const startOrReadClouds = async (
  node: Cluster,
  names: readonly CloudName[],
  progress: Progress,
): Promise<Cloud[]> => {
  return names.every((name) => existsSync(join(node.folder, `${name}.json`)))
    ? names.map((name) => readCloud(node.folder, name))
    : startClouds(node, progress, names);
};

/** What `VALETKEY_E2E_ENVIRONMENT` describes: the parts of {@link TestEnvironment} that only their owner knows. */
type ExternalEnvironment = Pick<TestEnvironment, 'images' | 'clouds' | 'awscliCommand'>;

/**
 * Somebody else's cluster. Images and clouds are theirs to bring: docs/e2e.md says how.
 *
 * @throws when VALETKEY_E2E_ENVIRONMENT names no file
 */
export const claimExternalEnvironment = async (
  progress: Progress,
  { kubeconfig, isFull }: { kubeconfig: string; isFull: boolean },
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
    clients: await buildTestClients(progress, isFull),
  };
  return { environment, release: () => Promise.resolve() };
};
