import { renderAllow } from '../../../lib/approvals/proposal-texts.ts';
import { TASK_ANNOTATION_PREFIX } from '../../../lib/contract/names.ts';
import type { CommandResult } from '../command-result.ts';
import { formatAge, renderTable } from '../table.ts';
import { buildPostureSarif } from './posture-sarif.ts';
import {
  formatRuns,
  type PostureFinding,
  type PostureReport,
  type TaskPosture,
} from './posture-report.ts';
import { formatKey } from './recorded-usage.ts';
import type { RightState } from './right-usage.ts';

const HEADER = [
  ...['TASK', 'DELIVERY', 'PODS', 'RUNS', 'LIVE', 'LAST RUN'],
  ...['USED', 'UNUSED', 'UNKNOWN', 'RESULT'],
];

/**
 * Output of `posture`. Findings of the threshold are problems; missing records leave the rest undecided.
 *
 * @param now milliseconds since the epoch
 */
export const buildPostureResult = (
  report: PostureReport,
  { threshold, now }: { readonly threshold: PostureFinding['severity']; readonly now: number },
): CommandResult => {
  const { coverage, tasks, findings, problems } = report;
  const isFailure = ({ severity }: PostureFinding): boolean =>
    threshold === 'note' || severity === 'warning';
  const isWhole = coverage.gaps.length + coverage.unverified + problems.length === 0;
  return {
    isHealthy: !findings.some(isFailure),
    isDecided: isWhole && !tasks.some(({ isIncomplete }) => isIncomplete),
    lines: renderReport(report, now),
    json: describeReport(report),
    sarif: buildPostureSarif(report),
  };
};

const renderReport = (report: PostureReport, now: number): readonly string[] => {
  const { coverage, tasks, undeclared, findings, problems } = report;
  const { since, until } = coverage.window;
  return [
    `Records from ${toTime(since)} to ${toTime(until)}`,
    ...coverage.gaps.map((gap) => `Missing: ${gap}`),
    ...(coverage.unverified === 0
      ? []
      : [`Not verifiable: ranges before ${coverage.unverified} restarts; see audit verify`]),
    ...problems.map((problem) => `Not read: ${problem}`),
    '',
    ...(tasks.length === 0
      ? ['No tasks found.']
      : renderTable(
          HEADER,
          tasks.map((task) => toRow(task, now)),
        )),
    '',
    ...tasks.flatMap(renderReasons),
    ...undeclared.map(
      (task) =>
        `Task ${formatKey(task)}: ${formatRuns(task.runs + task.live)}, the last ${formatAge(now - task.lastIssuedAt)} ago; no pod declares it now`,
    ),
    ...findings.map(
      ({ severity, code, object, message }) => `${severity}: ${code}: ${object}: ${message}`,
    ),
    ...tasks.flatMap(renderSmaller),
    formatCounts(report),
  ];
};

const toTime = (ms: number): string => new Date(ms).toISOString();

const toRow = (task: TaskPosture, now: number): readonly string[] => {
  const count = (wanted: RightState): string =>
    `${task.rights.filter(({ state }) => state === wanted).length}`;
  return [
    ...[formatKey(task), task.delivery, `${task.podCount}`, `${task.runs}`, `${task.live}`],
    task.lastIssuedAt === 0 ? '-' : `${formatAge(now - task.lastIssuedAt)} ago`,
    ...[count('used'), count('unused'), count('unknown'), formatResult(task)],
  ];
};

const formatResult = ({ isIncomplete, isCanary, state, delivery }: TaskPosture): string => {
  if (isCanary) return 'canary';
  if (isIncomplete) return 'incomplete';
  if (state === 'unused') return 'never run';
  return delivery === 'vend' ? 'calls unknown' : 'complete';
};

const renderReasons = (task: TaskPosture): readonly string[] =>
  task.isCanary ? [] : task.reasons.map((reason) => `Task ${formatKey(task)}: ${reason}`);

const renderSmaller = (task: TaskPosture): readonly string[] => {
  const { smallerAllow } = task;
  if (smallerAllow === undefined || task.isCanary) return [];
  const key = `${TASK_ANNOTATION_PREFIX}${task.task}`;
  return smallerAllow.length === 0
    ? [`Task ${formatKey(task)}: no right was used; remove ${key}`]
    : [
        '',
        `Task ${formatKey(task)}: ${key} without the unused rights:`,
        '  allow:',
        ...renderAllow(smallerAllow).map((line) => `  ${line}`),
        '',
      ];
};

const formatCounts = ({ findings, tasks }: PostureReport): string => {
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  const incomplete = tasks.filter(({ isIncomplete }) => isIncomplete).length;
  return [
    `tasks: ${tasks.length}`,
    `incomplete: ${incomplete}`,
    `warnings: ${warnings}`,
    `notes: ${findings.length - warnings}`,
  ].join(', ');
};

const describeReport = ({ coverage, tasks, undeclared, ...report }: PostureReport) => {
  const { since, until } = coverage.window;
  return {
    since: toTime(since),
    until: toTime(until),
    missing: coverage.gaps,
    unverified: coverage.unverified,
    tasks: tasks.map(({ lastIssuedAt, oldestPodAt, ...task }) => ({
      ...task,
      ...(lastIssuedAt > 0 && { lastRunAt: toTime(lastIssuedAt) }),
      ...(!Number.isNaN(oldestPodAt) && { oldestPodAt: toTime(oldestPodAt) }),
    })),
    undeclared: undeclared.map(({ lastIssuedAt, ...task }) => ({
      ...task,
      lastRunAt: toTime(lastIssuedAt),
    })),
    ...report,
  };
};
