import { testFiles } from '../../test-selection.ts';
import { listRunnableBlocks } from './guide-blocks.ts';
import type { GuideBlock } from './guide-blocks.ts';

/** Who runs a block word for word, but for what its reader replaces. */
export type Coverage =
  /** A file of `e2e/test-selection.ts`, or the path of another test. */
  | { readonly test: string; readonly isFullOnly?: true }
  /** Each of its commands is in a block of that page, all of whose blocks are run. */
  | { readonly sameAs: string }
  /** No test: a cluster like ours does not have this. */
  | { readonly needs: string };

const run = (test: string): Coverage => ({ test });
const need = (needs: string): Coverage => ({ needs });

const quickstart = run('guide/quickstart.e2e.ts');
const sameAsQuickstart: Coverage = { sameAs: 'docs/quickstart.md' };
const firstHour = run('guide/first-hour.e2e.ts');
const readme = run('guide/readme.e2e.ts');
const minio = run('guide/minio.e2e.ts');
/** On the installation of docs/minio.md; its rollouts take too long for CI. */
const migration: Coverage = { test: 'guide/minio.e2e.ts', isFullOnly: true };
const onPremises = run('guide/on-premises.e2e.ts');
const frameworks = run('gateway/framework-tools.e2e.ts');
const programs = run('gateway/guide-programs.e2e.ts');
const lint = run('tools/docs/guide-manifests.test.ts');

/** Page → heading → its blocks of commands and programs, in their order. */
export const blockCoverage: Readonly<
  Record<string, Readonly<Record<string, readonly Coverage[]>>>
> = {
  'README.md': {
    'Try it': [run('.github/workflows/ci.yml'), sameAsQuickstart],
    'Install it on a cluster': [readme, readme, readme],
    'Declare a task': [minio],
    'Inspect, lint and revoke': [readme],
  },
  'docs/quickstart.md': {
    'Run the three commands': [quickstart],
    'See what happened': [quickstart],
    'Remove it': [quickstart],
  },
  'docs/first-hour.md': {
    Install: [sameAsQuickstart, sameAsQuickstart],
    'Run your first task': [firstHour],
    'Write your first policy': [firstHour, firstHour],
    'See your first refusal': [firstHour],
    'Revoke your first agent': [firstHour],
    'Remove it': [firstHour, sameAsQuickstart, sameAsQuickstart],
  },
  'docs/minio.md': {
    'Install the authority first': [minio],
    'Start MinIO': [minio, minio, minio, minio],
    'Run a pod': [minio, minio],
  },
  'docs/guides/agent-sandbox.md': {
    'Declare the tasks of a Sandbox': [lint, need('agent-sandbox')],
  },
  'docs/guides/airflow.md': {
    'Write the pod as a template': [lint],
    'Write the DAG': [need('Airflow')],
  },
  'docs/guides/argo-workflows.md': { 'Check it before you submit': [need('Argo Workflows')] },
  'docs/guides/eks.md': {
    'Check the cluster': [need('EKS')],
    Install: [need('EKS')],
    'Create provider and roles': [need('an AWS account')],
    'Run a task': [need('EKS')],
  },
  'docs/guides/gke.md': { Install: [need('GKE')] },
  'docs/guides/go.md': {
    'Read with the default task': [programs],
    'Start a run with params': [programs],
  },
  'docs/guides/java.md': {
    'Read with the default task': [programs],
    'Start a run with params': [programs],
  },
  'docs/guides/javascript.md': {
    'Read with the default task': [programs],
    'Start a run with params': [programs],
  },
  'docs/guides/kuberay.md': {
    'Declare the tasks of workers': [lint, need('KubeRay')],
    'Write the job': [need('Ray')],
  },
  'docs/guides/langchain.md': { 'Write the agent': [frameworks] },
  'docs/guides/mcp-servers.md': { 'Write the server': [frameworks] },
  'docs/guides/migrate.md': {
    'From IRSA': [migration],
    'From EKS Pod Identity': [need('EKS')],
    'From static keys': [migration],
    '2. Let the role trust grants, beside what it trusts now': [need('an AWS account')],
    '3. Declare the task': [migration],
    '4. Exempt what you cannot change yet': [migration],
    '5. Roll out, and look': [migration],
    '6. Narrow the task': [migration],
    '7. Remove the old access': [need('an AWS account'), migration],
  },
  'docs/guides/on-premises.md': {
    'Install for Ceph RGW': [onPremises, onPremises],
    'Run a task on Ceph RGW': [onPremises],
  },
  'docs/guides/openai-agents.md': { 'Write the agent': [frameworks] },
  'docs/guides/python.md': {
    'Read with the default task': [programs],
    'Start a run with params': [programs],
  },
};

export type CoveredBlock = GuideBlock & {
  /** Its place among the runnable blocks below its heading. */
  readonly index: number;
  readonly coverage: Coverage;
};

/**
 * The blocks of a page with who runs them.
 *
 * @throws Error if a block has no entry, or an entry no block
 */
export const listCoveredBlocks = (page: string): readonly CoveredBlock[] => {
  const entries = blockCoverage[page] ?? {};
  const blocks = listRunnableBlocks(page);
  const below = (heading: string) => blocks.filter((each) => each.heading === heading);
  for (const [heading, coverages] of Object.entries(entries)) {
    const { length } = below(heading);
    if (length < coverages.length)
      throw new Error(
        `block-coverage.ts: ${page}: ${heading}: expected ${coverages.length} blocks, found ${length}`,
      );
  }
  return blocks.map((block) => {
    const index = below(block.heading).indexOf(block);
    const coverage = entries[block.heading]?.[index];
    if (coverage === undefined)
      throw new Error(`block-coverage.ts: ${page}: ${block.heading}: block ${index} has no entry`);
    return { ...block, index, coverage };
  });
};

/** Whether `.ci/run` or the workflow runs it; otherwise `make e2e-full` does. */
const isInCi = ({ test, isFullOnly }: Extract<Coverage, { readonly test: string }>): boolean =>
  isFullOnly !== true &&
  testFiles.every(({ file, entries }) => file !== test || entries.length > 0);

/** The line above a block: who runs it, or why no test does. */
export const formatMark = (coverage: Coverage): string => {
  if ('needs' in coverage) return `Not run in CI (needs ${coverage.needs}):`;
  if ('test' in coverage && !isInCi(coverage)) return 'Run by make e2e-full:';
  return 'Run in CI:';
};

/** The sentence near the top of a page: how much of it tests run, and what the rest needs. */
export const formatSummary = (coverages: readonly Coverage[]): string => {
  const needs = coverages.flatMap((each) => ('needs' in each ? [each.needs] : []));
  const reasons = [...new Set(needs)].join(' or ');
  const count = coverages.length - needs.length;
  if (needs.length === 0) return 'Tests run every command and program of this page word for word.';
  if (count === 0) return `No test runs the commands of this page: they need ${reasons}.`;
  return `Tests run ${count} of the ${coverages.length} blocks of commands and programs word for word; the rest needs ${reasons}.`;
};

/** The blocks of a page that one test has to run. */
export type GuidePage = {
  /** The text of a block, by its heading and its place among the runnable ones there. */
  readonly take: (heading: string, index?: number) => string;
  /** Headings of the blocks that the test has to run and has not taken: none, at its end. */
  readonly listLeft: () => readonly string[];
};

/** Creates the page of one test, which must take all blocks that {@link blockCoverage} assigns to it, and no other. */
export const createGuidePage = (page: string, test: string): GuidePage => {
  const left = new Set(
    listCoveredBlocks(page).filter(({ coverage }) => 'test' in coverage && coverage.test === test),
  );
  const all = [...left];
  return {
    take: (heading, index = 0) => {
      const found = all.find((each) => each.heading === heading && each.index === index);
      if (found === undefined)
        throw new Error(`block-coverage.ts: ${page}: ${heading} ${index}: not run by ${test}`);
      left.delete(found);
      return found.text;
    },
    listLeft: () => Array.from(left, ({ heading, index }) => `${heading}: ${index}`),
  };
};
