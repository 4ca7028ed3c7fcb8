import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from './cloud.ts';

/** Writes a cloud to `minio.json` or `rgw.json` in the cluster's folder. */
export function writeCloud(clusterFolder: string, cloud: Cloud): void {
  const file = join(clusterFolder, `${cloud.name}.json`);
  writeFileSync(file, JSON.stringify(cloud, undefined, 2));
}

export function readCloud(clusterFolder: string, name: Cloud['name']): Cloud {
  return JSON.parse(readFileSync(join(clusterFolder, `${name}.json`), 'utf8')) as Cloud;
}
