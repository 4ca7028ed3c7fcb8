import { parseArgs } from 'node:util';
import { startBusyLoops } from './busy-loops.ts';
import { findMissingClientTools } from './clients/client-builds.ts';
import { getExternalKubeconfig } from './cluster/host-environment.ts';
import { runUntilInterrupted } from './cluster/interrupt.ts';
import { checkPrerequisites } from './cluster/prerequisites.ts';
import { startProgress } from './cluster/progress.ts';
import { readMeasurements } from './measurements.ts';
import type { Measurement } from './measurements.ts';
import { claimExternalEnvironment, claimOwnEnvironment } from './test-environment.ts';
import type { TestEnvironment } from './test-environment.ts';
import { checkChart, runMatrixEntry } from './matrix.ts';
import type { MatrixOptions, MatrixEntry } from './matrix.ts';
import { listFailed, listPassed, formatSlowest } from './test-results.ts';
import type { TestResult } from './test-results.ts';

const help = `Stories on a real Kubernetes, against two real clouds: Ceph RGW and MinIO.

  node e2e/main.ts [options]

  --full            also the long stories: 10-minute lifetimes, the oldest clients
  --only PATTERN    only story files whose path matches
  --cloud NAME      only the passes of one cloud: minio or rgw
  --trust KIND      only the passes of one kind of trust: authority or cluster
  --cluster FOLDER  use the cluster that \`node e2e/cluster/main.ts up --folder FOLDER\` started
  --keep            leave the cluster running
  --under-load      keep two cores busy beside the tests: all of them must pass even so

With VALETKEY_E2E_KUBECONFIG the stories run on that cluster instead of one of our own, with the
images and clouds that the file VALETKEY_E2E_ENVIRONMENT describes: docs/e2e.md.
`;

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    cloud: { type: 'string' },
    trust: { type: 'string' },
    cluster: { type: 'string' },
    keep: { type: 'boolean', default: false },
    'under-load': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const progress = startProgress();
const kubeconfig = getExternalKubeconfig();

const runTests = async (): Promise<TestResult[]> => {
  const { environment, release } =
    kubeconfig === undefined
      ? await claimOwnEnvironment(progress, {
          folder: values.cluster,
          keep: values.keep,
          isFull: values.full,
          cloudNames: (['minio', 'rgw'] as const).filter((name) => (values.cloud ?? name) === name),
        })
      : await claimExternalEnvironment(progress, { kubeconfig, isFull: values.full });
  try {
    const stories = await runUntilInterrupted(runMatrix(environment));
    measurements = readMeasurements(environment.folder);
    return stories;
  } finally {
    await release();
  }
};

const runMatrix = async (environment: TestEnvironment): Promise<TestResult[]> => {
  const plan: MatrixOptions = { environment, isFull: values.full, only: values.only, progress };
  const stories = values.only === undefined ? await checkChart(plan) : [];
  for (const entry of listMatrixEntries(environment))
    stories.push(...(await runMatrixEntry(plan, entry)));
  return stories;
};

/** Every cloud under every kind of trust, or those that are asked for. */
const listMatrixEntries = ({ node, clouds }: TestEnvironment): MatrixEntry[] =>
  (['authority', 'cluster'] as const)
    .filter((trust) => (values.trust ?? trust) === trust)
    .flatMap((trust) => clouds.map((cloud) => ({ cloud, trust })))
    .filter(({ cloud }) => (values.cloud ?? cloud.name) === cloud.name)
    // Of somebody else's clouds each trusts one of the two.
    .filter(
      ({ cloud, trust }) =>
        node !== undefined || trust === (cloud.grantIssuer === undefined ? 'cluster' : 'authority'),
    );

let measurements: Measurement[] = [];

const printReport = (stories: TestResult[]): void => {
  console.log(`\nThe slowest twenty:\n${formatSlowest(stories).join('\n')}`);
  for (const { entry, name, value } of measurements)
    console.log(`measured on ${entry}: ${value} ${name}`);
  for (const { entry, name } of listFailed(stories)) console.log(`FAILED ${entry}: ${name}`);
  console.log(`${listPassed(stories).length} passed, ${listFailed(stories).length} failed`);
  process.exitCode = listFailed(stories).length === 0 && stories.length > 0 ? 0 : 1;
};

const findMissing = async (): Promise<string[]> => [
  ...(kubeconfig === undefined ? checkPrerequisites() : []),
  ...(await findMissingClientTools()),
];

const missing = values.help ? [] : await findMissing();
if (values.help) console.log(help);
else if (missing.length > 0) {
  console.error(`make e2e cannot run here:\n- ${missing.join('\n- ')}`);
  process.exitCode = 2;
} else {
  const stopBusyLoops = startBusyLoops(values['under-load'] ? 2 : 0);
  printReport(await runTests().finally(stopBusyLoops));
}
