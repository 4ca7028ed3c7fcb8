import type { CommandResult } from '../command-result.ts';
import { renderTable } from '../table.ts';
import { colorLines, type Color, type TextLine } from '../text-line.ts';
import { checkAdmission } from './admission-checks.ts';
import type { ClusterFacts, InstallationFacts } from './check-facts.ts';
import { buildCheckSarif } from './check-sarif.ts';
import { checkConstraints } from './constraint-checks.ts';
import { checkScraping } from './scraping-checks.ts';
import { checkRead, skip, toRow, type CheckRow } from './check-row.ts';
import {
  AUTHORITY_TITLE,
  checkObjects,
  checkPrograms,
  checkTaskPolicies,
  WEBHOOK_TITLE,
} from './installation-checks.ts';
import { checkIssuer } from './issuer-checks.ts';
import { checkMutators } from './mutator-checks.ts';
import { checkPodSecurity, TASK_SELECTOR } from './namespace-checks.ts';
import { checkApiServer, checkClockSkew, checkNativeSidecars } from './server-checks.ts';
import { checkAuditStorage, NEW_AUTHORITY } from './storage-checks.ts';

/**
 * Checks a cluster, before or after an installation.
 *
 * @param installation undefined: before an installation with the chart's defaults
 */
export const checkCluster = (
  facts: ClusterFacts,
  installation?: InstallationFacts,
): readonly CheckRow[] => {
  const { apiServer, kubelets, storageClasses, mutators, namespaces } = facts;
  return [
    toRow('api-server', checkRead(apiServer, checkApiServer)),
    toRow(
      'native-sidecars',
      checkRead(apiServer, (server) => checkNativeSidecars(server, kubelets)),
    ),
    toRow('clock-skew', checkRead(apiServer, checkClockSkew)),
    toRow('audit-storage', checkStorage()),
    toRow('pod-security', checkRead(namespaces, checkPodSecurity)),
    toRow('mutators', checkRead(mutators, checkMutators)),
  ];

  function checkStorage() {
    if (installation === undefined) {
      return checkAuditStorage({ value: NEW_AUTHORITY }, storageClasses);
    }
    const { authority } = installation;
    return authority === undefined
      ? skip('trust: cluster has no authority')
      : checkAuditStorage(authority.object, storageClasses);
  }
};

/** Checks an installation; `now` is in milliseconds since the epoch. */
export const checkInstallation = (facts: InstallationFacts, now: number): readonly CheckRow[] => {
  const { trust, installedIn, webhook, objects, authority, issuer, admission } = facts;
  const context = { trust, installedIn, now };
  return [
    toRow(
      'programs',
      checkPrograms([
        [WEBHOOK_TITLE, webhook],
        ...(authority === undefined ? [] : [[AUTHORITY_TITLE, authority.program] as const]),
      ]),
    ),
    toRow('webhooks', checkObjects(objects, CONFIGURATIONS, context)),
    toRow('admission-policies', checkObjects(objects, ADMISSION_POLICIES, context)),
    toRow(
      'custom-resources',
      authority === undefined
        ? skip('trust: cluster uses none')
        : checkObjects(objects, ['CustomResourceDefinition'], context),
    ),
    toRow(
      'task-policies',
      authority === undefined
        ? skip('trust: cluster evaluates none')
        : checkTaskPolicies(authority.policies),
    ),
    toRow('issuer', checkIssuer(issuer)),
    toRow(
      'admission',
      admission === undefined
        ? skip(`no namespace has the label ${TASK_SELECTOR}: name one with --namespace`)
        : checkRead(admission.result, (result) => checkAdmission(admission.namespace, result)),
    ),
    toRow('openshift-scc', checkRead(facts.constraints, checkConstraints)),
    toRow('scraping', checkScraping(facts.scraping)),
  ];
};

const CONFIGURATIONS = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'] as const;
const ADMISSION_POLICIES = [
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
] as const;

/** The least outcome that sets exit status 1. */
export type FailureThreshold = 'warning' | 'fail';

/** Builds the output of `check`. */
export const buildCheckResult = (
  rows: readonly CheckRow[],
  threshold: FailureThreshold,
): CommandResult => {
  const count = (outcome: CheckRow['outcome']) =>
    rows.filter((row) => row.outcome === outcome).length;
  const failures = count('fail') + (threshold === 'warning' ? count('warning') : 0);
  const counts = {
    passed: count('pass'),
    warnings: count('warning'),
    failed: count('fail'),
    skipped: count('skipped'),
  };
  return {
    isHealthy: failures === 0,
    lines: [
      ...renderRows(rows),
      '',
      ...rows.flatMap(renderProblems),
      Object.entries(counts)
        .map(([name, number]) => `${name}: ${number}`)
        .join(', '),
    ],
    json: { counts, rows },
    sarif: buildCheckSarif(rows),
  };
};

const COLORS: Readonly<Record<CheckRow['outcome'], Color | undefined>> = {
  pass: 'green',
  warning: 'yellow',
  fail: 'red',
  skipped: undefined,
};

const renderRows = (rows: readonly CheckRow[]): readonly TextLine[] => {
  const [header = '', ...lines] = renderTable(
    ['CHECK', 'RESULT', 'FOUND'],
    rows.map(({ id, outcome, found, problems }) => [
      id,
      outcome,
      problems.length === 0 ? found : formatCount(problems.length),
    ]),
  );
  const colored = rows.flatMap(({ outcome }, at) =>
    colorLines(lines.slice(at, at + 1), COLORS[outcome]),
  );
  return [header, ...colored];
};

const formatCount = (count: number): string => (count === 1 ? '1 problem' : `${count} problems`);

const renderProblems = ({ id, problems, hint, docs }: CheckRow): readonly string[] =>
  problems.length === 0
    ? []
    : [
        `${id}:`,
        ...problems.map((problem) => `  ${problem}`),
        `  To do: ${hint ?? ''} (${docs})`,
        '',
      ];
