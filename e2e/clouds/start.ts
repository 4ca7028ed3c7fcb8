import type { Progress } from '../cluster/progress.ts';
import { recordedPrograms, stopProgram } from '../cluster/processes.ts';
import type { Cluster } from '../cluster/record.ts';
import type { Cloud } from './cloud.ts';
import { startMinio } from './minio.ts';
import { startRgw } from './rgw.ts';

export type Clouds = { minio: Cloud; rgw: Cloud };

/** Starts both clouds, which record themselves in `minio.json` and `rgw.json` of the cluster's folder. */
export async function startClouds(cluster: Cluster, progress: Progress): Promise<Clouds> {
  const started = async (starting: Promise<Cloud>): Promise<Cloud> => {
    const cloud = await starting;
    progress(`${cloud.name} ready at ${cloud.s3Endpoint}`);
    return cloud;
  };
  const [minio, rgw] = await Promise.all([
    started(startMinio(cluster)),
    started(startRgw(cluster)),
  ]);
  return { minio, rgw };
}

/** Makes a cloud unreachable, its data kept: `startMinio` or `resumeRgw` bring it back. */
export async function stopCloud(cluster: Cluster, cloud: Cloud): Promise<void> {
  const front = cloud.name === 'minio' ? 'minio' : 'radosgw';
  const programs = recordedPrograms(cluster.folder).filter(({ name }) => name === front);
  await Promise.all(programs.map((program) => stopProgram(cluster.folder, program)));
}
