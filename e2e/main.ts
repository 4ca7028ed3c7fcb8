import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBusyLoops } from './busy-loops.ts';
import { findMissingClientTools } from './clients/client-builds.ts';
import { getExternalKubeconfig } from './cluster/host-environment.ts';
import { runUntilInterrupted } from './cluster/interrupt.ts';
import { checkPrerequisites } from './cluster/prerequisites.ts';
import { parseKubernetesVersion } from './cluster/programs.ts';
import { startProgress } from './cluster/progress.ts';
import { PUBLISH_FAULTS } from './faults/cluster-faults.ts';
import { readMeasurements } from './measurements.ts';
import type { Measurement } from './measurements.ts';
import { claimExternalEnvironment, claimOwnEnvironment } from './test-environment.ts';
import type { TestEnvironment } from './test-environment.ts';
import { formatEntryName, listEntryGroups, runMatrix } from './matrix.ts';
import type { MatrixEntry, MatrixOptions } from './matrix.ts';
import { runShortFaults } from './short-faults.ts';
import { entryNames, listBuilds, type EntryName } from './test-selection.ts';
import { formatReport, isSuccessful } from './test-results.ts';
import type { TestResult } from './test-results.ts';

const help = `Run end-to-end tests on a real Kubernetes cluster with two real clouds, Ceph RGW and MinIO.

  node e2e/main.ts [options]

  --full            also run the long tests: 10-minute lifetimes, the oldest clients
  --only PATTERN    run only test files whose path matches this regular expression
  --cloud NAME      run only the matrix entries of one cloud: minio or rgw
  --trust KIND      run only the matrix entries of one kind of trust: authority or cluster
  --kubernetes V    run them on this version of Kubernetes: 1.35 (default) or 1.30
  --cluster FOLDER  use the cluster that \`node e2e/cluster/main.ts up --folder FOLDER\` started
  --keep            leave the cluster running
  --screenshots     write the screenshots of docs/console.md, and the data of the pictures of docs/dashboards.md
  --publish-faults  write the figures of faults of the cluster to e2e/faults/results.json, for docs/reliability.md
  --under-load      keep two cores busy at the same time: all tests must still pass

e2e/test-selection.ts lists which test file runs in which matrix entry.

If VALETKEY_E2E_KUBECONFIG is set, the tests run on that cluster, with the images and clouds that the
file VALETKEY_E2E_ENVIRONMENT describes: see docs/e2e.md.
`;

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    cloud: { type: 'string' },
    trust: { type: 'string' },
    kubernetes: { type: 'string' },
    cluster: { type: 'string' },
    keep: { type: 'boolean', default: false },
    screenshots: { type: 'boolean', default: false },
    'publish-faults': { type: 'boolean', default: false },
    'under-load': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const progress = startProgress();
const kubeconfig = getExternalKubeconfig();

type Outcome = { results: TestResult[]; measurements: Measurement[] };

const isSelected = (entry: EntryName): boolean => {
  const trust = entry.endsWith('-cluster') ? 'cluster' : 'authority';
  const [cloud] = entry.split('-');
  return (values.cloud ?? cloud) === cloud && (values.trust ?? trust) === trust;
};

const listSelectedBuilds = (hasNode: boolean) =>
  listBuilds(entryNames.filter(isSelected), { isFull: values.full, hasNode, only: values.only });

const runTests = async (): Promise<Outcome> => {
  // Before the cluster uses the machine, too. `make e2e-full` applies all of them, and longer.
  const isShort = values.only === undefined && kubeconfig === undefined && !values.full;
  const faults = isShort ? await runShortFaults(progress) : [];
  const { environment, release } =
    kubeconfig === undefined
      ? await claimOwnEnvironment(progress, {
          folder: values.cluster,
          keep: values.keep,
          isFull: values.full,
          kubernetes: parseKubernetesVersion(values.kubernetes),
          cloudNames: (['minio', 'rgw'] as const).filter((name) => (values.cloud ?? name) === name),
          builds: listSelectedBuilds(true),
        })
      : await claimExternalEnvironment(progress, {
          kubeconfig,
          isFull: values.full,
          builds: listSelectedBuilds(false),
        });
  const options: MatrixOptions = {
    environment,
    isFull: values.full,
    only: values.only,
    progress,
  };
  try {
    const results = await runUntilInterrupted(runMatrix(options, listMatrixEntries(options)));
    return {
      results: [...faults, ...results],
      measurements: readMeasurements(environment.folder),
    };
  } finally {
    await release();
  }
};

/** Every cloud with every kind of trust that the options select and that has a test to run. */
const listMatrixEntries = (options: MatrixOptions): MatrixEntry[] =>
  (['authority', 'cluster'] as const)
    .filter((trust) => (values.trust ?? trust) === trust)
    .flatMap((trust) => options.environment.clouds.map((cloud) => ({ cloud, trust })))
    .filter(({ cloud }) => (values.cloud ?? cloud.name) === cloud.name)
    .filter((entry) => isTrustPossible(options.environment, entry))
    .filter((entry) => listEntryGroups(options, formatEntryName(entry)).length > 0);

/** An external cloud trusts either the authority or the cluster; ours can be configured for both. */
const isTrustPossible = ({ node }: TestEnvironment, { cloud, trust }: MatrixEntry): boolean =>
  node !== undefined || trust === (cloud.grantIssuer === undefined ? 'cluster' : 'authority');

const printOutcome = ({ results, measurements }: Outcome): void => {
  for (const { entry, name, value } of measurements)
    console.log(`measured on ${entry}: ${value} ${name}`);
  for (const line of formatReport(results)) console.log(line);
  process.exitCode = isSuccessful(results) ? 0 : 1;
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
  if (values.screenshots)
    process.env['VALETKEY_E2E_SCREENSHOTS'] = join(import.meta.dirname, '../docs/images');
  if (values['publish-faults']) process.env[PUBLISH_FAULTS] = 'true';
  const stopBusyLoops = startBusyLoops(values['under-load'] ? 2 : 0);
  printOutcome(await runTests().finally(stopBusyLoops));
}
