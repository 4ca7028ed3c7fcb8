// Runs the table of cases on running clouds, inside the cluster's network namespace:
//   nsenter --net=/run/netns/NAMESPACE node e2e/cases/main.ts [--json] CLUSTER.json CLOUD.json…
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Cluster } from '../cluster/cluster-file.ts';
import type { Cloud } from '../clouds/cloud.ts';
import { runCloudCases, type CaseResult } from './cloud-cases.ts';
import { createLiveCaseCloud } from './live-case-cloud.ts';

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [clusterFile, ...cloudFiles] = positionals;
if (clusterFile === undefined || cloudFiles.length === 0) {
  throw new Error('expected CLUSTER.json and at least one CLOUD.json');
}
const readJsonFile = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
const cluster = readJsonFile(clusterFile) as Cluster;

const results: Record<string, readonly CaseResult[]> = {};
for (const file of cloudFiles) {
  const cloud = readJsonFile(file) as Cloud;
  results[cloud.name] = await runCloudCases(await createLiveCaseCloud(cloud, cluster));
}

const formatResult = ({ name, passed, expected, got, differs }: CaseResult): string =>
  [
    passed ? 'same     ' : 'DIFFERENT',
    name,
    ...(passed ? [] : [`expected ${expected.join(', ')}; got ${got.join(', ')}`]),
    ...(differs === undefined ? [] : [`(${differs})`]),
  ].join('  ');

if (values.json) console.log(JSON.stringify(results));
else {
  for (const [cloud, list] of Object.entries(results)) {
    for (const result of list) console.log(`${cloud}  ${formatResult(result)}`);
  }
}
process.exitCode = Object.values(results)
  .flat()
  .every(({ passed }) => passed)
  ? 0
  : 1;
