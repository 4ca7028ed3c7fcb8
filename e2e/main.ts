import { parseArgs } from 'node:util';
import { startBusyLoops } from './busy-loops.ts';
import { missingClientTools } from './clients/build.ts';
import { foreignKubeconfig } from './cluster/config.ts';
import { untilInterrupted } from './cluster/interrupt.ts';
import { checkPrerequisites } from './cluster/prerequisites.ts';
import { startProgress } from './cluster/progress.ts';
import { readFigures } from './figures.ts';
import type { Figure } from './figures.ts';
import { claimForeignGround, claimOwnGround } from './ground.ts';
import type { Ground } from './ground.ts';
import { checkChart, runPass } from './passes.ts';
import type { PassPlan, PassSettings } from './passes.ts';
import { failedIn, passedIn, slowest } from './results.ts';
import type { Story } from './results.ts';

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
images and clouds that the file VALETKEY_E2E_GROUND describes: docs/e2e.md.
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
const kubeconfig = foreignKubeconfig();

const tellStories = async (): Promise<Story[]> => {
  const { ground, release } =
    kubeconfig === undefined
      ? await claimOwnGround(progress, {
          folder: values.cluster,
          keep: values.keep,
          isFull: values.full,
          cloudNames: (['minio', 'rgw'] as const).filter((name) => (values.cloud ?? name) === name),
        })
      : await claimForeignGround(progress, { kubeconfig, isFull: values.full });
  try {
    const stories = await untilInterrupted(runPasses(ground));
    figures = readFigures(ground.folder);
    return stories;
  } finally {
    await release();
  }
};

const runPasses = async (ground: Ground): Promise<Story[]> => {
  const plan: PassPlan = { ground, isFull: values.full, only: values.only, progress };
  const stories = values.only === undefined ? await checkChart(plan) : [];
  for (const pass of passesOn(ground)) stories.push(...(await runPass(plan, pass)));
  return stories;
};

/** Every cloud under every kind of trust, or those that are asked for. */
const passesOn = ({ node, clouds }: Ground): PassSettings[] =>
  (['authority', 'cluster'] as const)
    .filter((trust) => (values.trust ?? trust) === trust)
    .flatMap((trust) => clouds.map((cloud) => ({ cloud, trust })))
    .filter(({ cloud }) => (values.cloud ?? cloud.name) === cloud.name)
    // Of somebody else's clouds each trusts one of the two.
    .filter(
      ({ cloud, trust }) =>
        node !== undefined || trust === (cloud.grantIssuer === undefined ? 'cluster' : 'authority'),
    );

let figures: Figure[] = [];

const report = (stories: Story[]): void => {
  console.log(`\nThe slowest twenty:\n${slowest(stories).join('\n')}`);
  for (const { pass, name, value } of figures) console.log(`measured on ${pass}: ${value} ${name}`);
  for (const { pass, name } of failedIn(stories)) console.log(`FAILED ${pass}: ${name}`);
  console.log(`${passedIn(stories).length} passed, ${failedIn(stories).length} failed`);
  process.exitCode = failedIn(stories).length === 0 && stories.length > 0 ? 0 : 1;
};

const findMissing = async (): Promise<string[]> => [
  ...(kubeconfig === undefined ? checkPrerequisites() : []),
  ...(await missingClientTools()),
];

const missing = values.help ? [] : await findMissing();
if (values.help) console.log(help);
else if (missing.length > 0) {
  console.error(`make e2e cannot run here:\n- ${missing.join('\n- ')}`);
  process.exitCode = 2;
} else {
  const stopBusyLoops = startBusyLoops(values['under-load'] ? 2 : 0);
  report(await tellStories().finally(stopBusyLoops));
}
