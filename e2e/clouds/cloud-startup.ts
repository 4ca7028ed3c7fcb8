import type { Progress } from '../cluster/progress.ts';
import { listRecordedPrograms, stopProgram } from '../cluster/processes.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import type { Cloud, CloudName } from './cloud.ts';
import { startMinio } from './minio.ts';
import { startRgw } from './rgw.ts';

/** Starts clouds, and writes `minio.json` and `rgw.json` to the cluster's folder. */
export function startClouds(
  cluster: Cluster,
  progress: Progress,
  names: readonly CloudName[] = ['minio', 'rgw'],
): Promise<Cloud[]> {
  return Promise.all(
    names.map(async (name) => {
      const cloud = await (name === 'minio' ? startMinio(cluster) : startRgw(cluster));
      progress(`${cloud.name} ready at ${cloud.s3Endpoint}`);
      return cloud;
    }),
  );
}

/** Stops a cloud and keeps its data: `startMinio` or `resumeRgw` start it again. */
export async function stopCloud(cluster: Cluster, cloud: Cloud): Promise<void> {
  const front = cloud.name === 'minio' ? 'minio' : 'radosgw';
  const programs = listRecordedPrograms(cluster.folder).filter(({ name }) => name === front);
  await Promise.all(programs.map((program) => stopProgram(cluster.folder, program)));
}
