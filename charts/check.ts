import { readFileSync } from 'node:fs';
import { isDeepStrictEqual, parseArgs } from 'node:util';

import { foreignKubeconfig } from '../e2e/cluster/config.ts';
import { readCluster, type ClusterAccess } from '../e2e/cluster/record.ts';
import type { Case } from './case.ts';
import { CASES, REFUSALS } from './cases.ts';
import { CONTRACT_FILE, contractText } from './contract.ts';
import { findHelm, lintChart, NAMESPACE, renderChart, startHelm, type Helm } from './helm.ts';
import { invariantFaults } from './invariants.ts';
import { at, readObjects, titleOf, type KubernetesObject } from './objects.ts';
import { readRenderedPlatform } from './platform.ts';
import { isManifestCurrent } from './render.ts';
import { startTrial, type Trial } from './server.ts';

const HELP = `node charts/check.ts [--cluster FOLDER]

Lints and renders the chart with every case of charts/cases.ts, checks what comes of it, and compares
manifests/ with the defaults. With a cluster (FOLDER, or a kubeconfig in VALETKEY_E2E_KUBECONFIG) its
API server validates every rendering, by a dry run.
`;

type Objects = readonly KubernetesObject[];
/** A sentence and the faults that make it untrue. */
type Check = { readonly name: string; readonly faults: () => Promise<readonly string[]> };

const check = (name: string, faults: () => readonly string[]): Check => ({
  name,
  faults: () => Promise.resolve().then(faults),
});

const render = (helm: Helm, values: object, namespace = NAMESPACE): Objects => {
  const { ok, text } = renderChart(helm, values, namespace);
  if (!ok) throw new Error(text);
  return readObjects(text);
};

const caseChecks = (helm: Helm, { name, values, ...expected }: Case): readonly Check[] => [
  check(`${name}: helm lint`, () => {
    const { ok, text } = lintChart(helm, values);
    return ok ? [] : [text];
  }),
  check(`${name}: invariants`, () => invariantFaults(render(helm, values))),
  check(`${name}: objects`, () => objectFaults(helm, render(helm, values), expected)),
  check(`${name}: fields`, () => fieldFaults(render(helm, values), expected.fields ?? [])),
];

/** A switch adds and removes exactly what its case says, compared with the defaults. */
const objectFaults = (
  helm: Helm,
  objects: Objects,
  { adds = [], removes = [] }: Pick<Case, 'adds' | 'removes'>,
): readonly string[] => {
  const defaults = render(helm, {}).map(titleOf);
  const expected = [...defaults.filter((title) => !removes.includes(title)), ...adds].sort();
  const got = objects.map(titleOf).sort();
  return isDeepStrictEqual(got, expected)
    ? []
    : [`expected ${expected.join(', ')}, got ${got.join(', ')}`];
};

const fieldFaults = (objects: Objects, fields: NonNullable<Case['fields']>): readonly string[] =>
  fields.flatMap(([title, path, wanted]) => {
    const subject =
      title === 'Platform'
        ? readRenderedPlatform(objects)
        : objects.find((object) => titleOf(object) === title);
    const got = subject === undefined ? `no ${title}` : at(subject, path);
    return isDeepStrictEqual(got, wanted)
      ? []
      : [`${title} ${path}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`];
  });

const refusalChecks = (helm: Helm): readonly Check[] =>
  REFUSALS.map(({ name, values, names }) =>
    check(`refused: ${name}`, () => {
      const { ok, text } = renderChart(helm, values);
      return !ok && text.includes(names) ? [] : [`expected a refusal naming ${names}, got ${text}`];
    }),
  );

const serverChecks = (helm: Helm, trial: Trial): readonly Check[] =>
  CASES.flatMap(({ name, values, notes = [] }) => [
    {
      name: `${name}: the API server validates it`,
      faults: () => trial.dryRun(render(helm, values, trial.namespace)).then(() => []),
    },
    {
      name: `${name}: notes`,
      faults: async () => {
        const text = await trial.notes(values);
        return notes.filter((note) => !text.includes(note)).map((note) => `no “${note}”: ${text}`);
      },
    },
  ]);

const copyChecks = (helm: Helm): readonly Check[] => [
  check('contract.json is what lib/contract says', () =>
    readFileSync(CONTRACT_FILE, 'utf8') === contractText() ? [] : ['run `node charts/contract.ts`'],
  ),
  check('manifests/ is what the defaults render', () =>
    isManifestCurrent(helm) ? [] : ['run `make manifests`'],
  ),
];

/** Runs one check after another and says how each went; answers how many failed. */
const runChecks = async (checks: readonly Check[]): Promise<number> => {
  let failed = 0;
  for (const { name, faults } of checks) {
    const found = await faults().catch((error: unknown) => [String(error)]);
    if (found.length > 0) failed += 1;
    console.log(`${found.length === 0 ? 'ok    ' : 'FAILED'} ${name}`);
    for (const fault of found) console.log(`         ${fault}`);
  }
  return failed;
};

const givenCluster = (folder: string | undefined): ClusterAccess | undefined => {
  if (folder !== undefined) return readCluster(folder);
  const kubeconfig = foreignKubeconfig();
  return kubeconfig === undefined ? undefined : { kubeconfig, kubectlProgram: 'kubectl' };
};

const main = async (): Promise<number> => {
  const options = {
    cluster: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const program = findHelm();
  const helm = startHelm(program);
  const cluster = givenCluster(values.cluster);
  const trial = cluster === undefined ? undefined : await startTrial(cluster, program);
  try {
    const checks = [
      ...copyChecks(helm),
      ...CASES.flatMap((each) => caseChecks(helm, each)),
      ...refusalChecks(helm),
      ...(trial === undefined ? [] : serverChecks(helm, trial)),
    ];
    const failed = await runChecks(checks);
    if (trial === undefined) console.log('no cluster given: no API server validated anything');
    console.log(`${checks.length - failed} passed, ${failed} failed`);
    return failed === 0 ? 0 : 1;
  } finally {
    await trial?.end();
  }
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
