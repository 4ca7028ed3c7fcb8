import { readFileSync } from 'node:fs';
import { isDeepStrictEqual, parseArgs } from 'node:util';

import { getExternalKubeconfig } from '../../e2e/cluster/host-environment.ts';
import { readCluster, type ClusterAccess } from '../../e2e/cluster/cluster-file.ts';
import type { ChartCase } from './chart-case.ts';
import { CHART_CASES, CHART_REJECTIONS } from './chart-cases.ts';
import { CONTRACT_FILE, renderContract } from './contract.ts';
import { findRenderedDeliveryFaults } from './delivery-check.ts';
import { findHelm, lintChart, NAMESPACE, renderChart, createHelm, type RunHelm } from './helm.ts';
import { findInvariantFaults } from './invariants.ts';
import { findUnstableRenderings } from './gitops-check.ts';
import {
  getValue,
  readObjects,
  formatTitle,
  type KubernetesObject,
} from '../../test/kit/kubernetes-objects.ts';
import { DASHBOARDS, listQueries } from './dashboards.ts';
import {
  checkQueries,
  checkRules,
  findPromtool,
  testAlerts,
  type RunPromtool,
} from './promtool.ts';
import { readRenderedPlatform } from './rendered-platform.ts';
import { areDigestsCurrent } from './policy-digests.ts';
import { isManifestCurrent } from './render.ts';
import { startDryRunTarget, type DryRunTarget } from './dry-run-target.ts';

const HELP = `node tools/chart/check.ts [--cluster FOLDER]

Lints and renders the chart with every case of chart-cases.ts, checks the objects, and compares
manifests/ with the defaults. promtool checks alerts.yaml and tests each alert. With a cluster (FOLDER, or a kubeconfig in VALETKEY_E2E_KUBECONFIG) its
API server validates every rendering, by a dry run.
`;

type Objects = readonly KubernetesObject[];
/** A named check and its errors; no errors: passed. */
type CheckResult = { readonly name: string; readonly faults: () => Promise<readonly string[]> };

const runCheck = (name: string, faults: () => readonly string[]): CheckResult => ({
  name,
  faults: () => Promise.resolve().then(faults),
});

const renderObjects = (helm: RunHelm, values: object, namespace = NAMESPACE): Objects => {
  const { ok, text } = renderChart(helm, values, namespace);
  if (!ok) throw new Error(text);
  return readObjects(text);
};

const checkCase = (
  helm: RunHelm,
  { name, values, ...expected }: ChartCase,
): readonly CheckResult[] => [
  runCheck(`${name}: helm lint`, () => {
    const { ok, text } = lintChart(helm, values);
    return ok ? [] : [text];
  }),
  runCheck(`${name}: invariants`, () => findInvariantFaults(renderObjects(helm, values))),
  runCheck(`${name}: objects`, () => findObjectFaults(helm, renderObjects(helm, values), expected)),
  runCheck(`${name}: fields`, () =>
    findFieldFaults(renderObjects(helm, values), expected.fields ?? []),
  ),
];

/** Checks that a switch adds and removes exactly the objects of its case, compared with the defaults. */
const findObjectFaults = (
  helm: RunHelm,
  objects: Objects,
  { adds = [], removes = [] }: Pick<ChartCase, 'adds' | 'removes'>,
): readonly string[] => {
  const defaults = renderObjects(helm, {}).map(formatTitle);
  const expected = [...defaults.filter((title) => !removes.includes(title)), ...adds].sort();
  const got = objects.map(formatTitle).sort();
  return isDeepStrictEqual(got, expected)
    ? []
    : [`expected ${expected.join(', ')}, got ${got.join(', ')}`];
};

const findFieldFaults = (
  objects: Objects,
  fields: NonNullable<ChartCase['fields']>,
): readonly string[] =>
  fields.flatMap(([title, path, wanted]) => {
    const subject =
      title === 'Platform'
        ? readRenderedPlatform(objects)
        : objects.find((object) => formatTitle(object) === title);
    const got = subject === undefined ? `no ${title}` : getValue(subject, path);
    return isDeepStrictEqual(got, wanted)
      ? []
      : [`${title} ${path}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`];
  });

const checkRejections = (helm: RunHelm): readonly CheckResult[] =>
  CHART_REJECTIONS.map(({ name, values, names }) =>
    runCheck(`rejects ${name}`, () => {
      const { ok, text } = renderChart(helm, values);
      return !ok && text.includes(names)
        ? []
        : [`expected an error that names ${names}, got ${text}`];
    }),
  );

const validatedCases = CHART_CASES.filter(({ missing }) => missing === undefined);

const checkOnServer = (helm: RunHelm, trial: DryRunTarget): readonly CheckResult[] => [
  { name: 'an upgrade keeps the data that programs write', faults: trial.findLostData },
  { name: 'an upgrade keeps the delivery', faults: trial.findChangedDelivery },
  ...validatedCases.map(({ name, values, warnings = [] }) => ({
    name: `${name}: the API server validates it`,
    faults: () =>
      trial.dryRun(renderObjects(helm, values, trial.namespace), warnings).then(() => []),
  })),
  ...validatedCases
    .filter(({ notes = [] }) => notes.length > 0)
    .map(({ name, values, notes = [] }) => ({
      name: `${name}: notes`,
      faults: async () => {
        const text = await trial.notes(values);
        return notes
          .filter((note) => !text.includes(note))
          .map((note) => `expected “${note}”, got ${text}`);
      },
    })),
];

const checkCopies = (helm: RunHelm): readonly CheckResult[] => [
  runCheck('contract.json equals lib/contract', () =>
    readFileSync(CONTRACT_FILE, 'utf8') === renderContract()
      ? []
      : ['run `node tools/chart/contract.ts`'],
  ),
  runCheck('manifests/ equals the rendered defaults', () =>
    isManifestCurrent(helm) ? [] : ['run `make manifests`'],
  ),
  runCheck('kubectl valetkey check knows the admission policies', () =>
    areDigestsCurrent(helm) ? [] : ['run `make manifests`'],
  ),
];

const checkAlerts = (promtool: RunPromtool): readonly CheckResult[] => [
  runCheck('alerts.yaml: promtool check rules', () => checkRules(promtool)),
  runCheck('alerts.yaml: each alert fires and does not fire', () => testAlerts(promtool)),
  ...DASHBOARDS.map((dashboard) =>
    runCheck(`dashboard ${dashboard.name}: promtool parses each query`, () =>
      checkQueries(promtool, listQueries(dashboard)),
    ),
  ),
];

/** Runs the checks one after another and prints each result. @returns the number of failed checks */
const runChecks = async (checks: readonly CheckResult[]): Promise<number> => {
  let failed = 0;
  for (const { name, faults } of checks) {
    const found = await faults().catch((error: unknown) => [String(error)]);
    if (found.length > 0) failed += 1;
    console.log(`${found.length === 0 ? 'ok    ' : 'FAILED'} ${name}`);
    for (const fault of found) console.log(`         ${fault}`);
  }
  return failed;
};

const readGivenCluster = (folder: string | undefined): ClusterAccess | undefined => {
  if (folder !== undefined) return readCluster(folder);
  const kubeconfig = getExternalKubeconfig();
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
  const helm = createHelm(program);
  const promtool = findPromtool();
  const cluster = readGivenCluster(values.cluster);
  const trial = cluster === undefined ? undefined : await startDryRunTarget(cluster, program);
  try {
    const checks = [
      ...checkCopies(helm),
      ...checkAlerts(promtool),
      ...CHART_CASES.flatMap((each) => checkCase(helm, each)),
      ...checkRejections(helm),
      runCheck('new installations sign, and upgrades vend', () => findRenderedDeliveryFaults(helm)),
      runCheck('docs/gitops.md: each rendering of one commit is the same', () =>
        findUnstableRenderings(program),
      ),
      ...(trial === undefined ? [] : checkOnServer(helm, trial)),
    ];
    const failed = await runChecks(checks);
    if (trial === undefined) console.log('no cluster given: skipped validation by an API server');
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
